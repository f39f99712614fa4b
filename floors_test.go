package ayb_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors lists every package of the module, lowest floor first. A package
// imports from floors below its own; on its own floor, only what is nested in
// it.
var floors = [][]string{
	{"ayb/fault", "ayb/internal/crew", "ayb/internal/distance", "ayb/internal/machine", "ayb/internal/metric", "ayb/internal/sched", "ayb/internal/walls"},
	{"ayb/catalog", "ayb/internal/durable"},
	{"ayb/auth", "ayb/hosting", "ayb/hosting/sandbox", "ayb/httpapi/wire", "ayb/internal/dump", "ayb/internal/format", "ayb/internal/mail", "ayb/internal/tabular", "ayb/snapshot", "ayb/store"},
	{"ayb/hosting/worker"},
	{"ayb", "ayb/hosting/worker/early"},
	{"ayb/client", "ayb/httpapi", "ayb/internal/shell", "ayb/operator"},
	{"ayb/attack", "ayb/auth/authtest", "ayb/aybtest", "ayb/cmd/ayb", "ayb/examples/cities", "ayb/examples/embed", "ayb/examples/saas", "ayb/hosting/hostingtest", "ayb/hosting/worker/redteam", "ayb/internal/iofault", "ayb/snapshot/snapshottest", "ayb/store/storetest"},
	{"ayb/aybtest/behavior", "ayb/bench", "ayb/stress"},
}

// lean packages are linked into small clients, so among ourselves they reach
// only one another: no engine, no store, no driver.
var lean = map[string]bool{"ayb/catalog": true, "ayb/fault": true, "ayb/httpapi/wire": true, "ayb/client": true}

const maxLines = 700 // of a file

// A sourceFile is a file of the module. The files are parsed here rather than
// listed by a "go list" of which the test cache would see nothing.
type sourceFile struct {
	path, pkg string
	lines     int
	*ast.File
}

// sources returns all Go files of the module, tests included.
func sources(t *testing.T) (files []sourceFile) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && (isModule(file) || d.Name() == "testdata" || strings.ContainsAny(d.Name()[:1], "._")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, sourceFile{
			path: file, pkg: path.Join("ayb", filepath.ToSlash(filepath.Dir(file))), lines: bytes.Count(text, []byte("\n")), File: parsed,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// isModule reports whether a directory is a module of its own.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func (f sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func TestFloors(t *testing.T) {
	floor := map[string]int{}
	for i, packages := range floors {
		for _, pkg := range packages {
			floor[pkg] = i
		}
	}
	seen := map[string]bool{}
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		seen[f.pkg] = true
		from, ok := floor[f.pkg]
		if !ok {
			t.Errorf("%s: package %s stands on no floor", f.path, f.pkg)
			continue
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, ours := floor[imported]
			if ours && to >= from && !strings.HasPrefix(imported, f.pkg+"/") {
				t.Errorf("%s: %s (floor %d) imports %s (floor %d)", f.path, f.pkg, from, imported, to)
			}
			if lean[f.pkg] && (ours && !lean[imported] || !ours && strings.Contains(imported, ".")) {
				t.Errorf("%s: lean package %s imports %s", f.path, f.pkg, imported)
			}
		}
	}
	for pkg := range floor {
		if !seen[pkg] {
			t.Errorf("floors names %s, which does not exist", pkg)
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	commented, all := map[string]bool{}, map[string]bool{}
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		all[f.pkg] = true
		commented[f.pkg] = commented[f.pkg] || f.Doc != nil
	}
	for pkg := range all {
		if !commented[pkg] {
			t.Errorf("package %s has no comment", pkg)
		}
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	for _, f := range sources(t) {
		if f.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: it is about more than one thing", f.path, f.lines, maxLines)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Doc == nil && decl.Name.IsExported() && exportedReceiver(decl) {
					t.Errorf("%s: %s has no comment", f.path, decl.Name)
				}
			case *ast.GenDecl:
				for _, name := range undocumented(decl) {
					t.Errorf("%s: %s has no comment", f.path, name)
				}
			}
		}
	}
}

// exportedReceiver reports whether a function is no method, or one of an
// exported type.
func exportedReceiver(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	typ := decl.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return true
		}
	}
}

// undocumented returns the exported names of a declaration that have no comment:
// neither on the group, nor before them, nor behind them.
func undocumented(decl *ast.GenDecl) (names []string) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && (decl.Doc == nil || decl.Lparen.IsValid()) {
				names = append(names, spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && spec.Doc == nil && spec.Comment == nil && decl.Doc == nil {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}
