package sandbox

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"ayb/fault"
)

var update = flag.Bool("update", false, "write what is compared to the files in testdata")

// golden compares text to a file.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s is not what is generated:\n%s", file, text)
	}
}

// jailedExample has something of everything.
func jailedExample() jailed {
	return jailed{
		program: "/usr/bin/ayb", needs: []string{"/lib64"}, uid: 1000, gid: 100, proc: true,
		policy: Policy{
			Dirs: []string{"/var/lib/ayb/owners/0a/\"x\"\n"}, ReadOnly: []string{"/usr/share/zoneinfo"},
			DataBytes: 768 << 20, FileBytes: 4<<30 + 1, OpenFiles: 1024, Threads: 200, Descriptors: 5,
		},
	}
}

func TestNsjailConfig(t *testing.T) {
	golden(t, "nsjail.cfg", jailedExample().nsjailConfig())
	j := jailedExample()
	j.policy, j.needs, j.uid, j.gid, j.proc = Policy{Dirs: []string{"/data"}}, nil, 0, 0, false
	golden(t, "nsjail-plain.cfg", j.nsjailConfig())
}

func TestBubblewrapArguments(t *testing.T) {
	golden(t, "bubblewrap.txt", strings.Join(jailedExample().bubblewrapArguments(), "\n")+"\n")
}

func TestPolicy_goes_through_arguments(t *testing.T) {
	p := jailedExample().policy
	p.Layers, p.UID, p.GID, p.Jail = []Layer{}, 1, 2, Jail{Nsjail, "/usr/bin/nsjail"}
	got, rest, err := FromArgs([]string{"ayb", "worker", p.argument()})
	if err != nil || !reflect.DeepEqual(got, p) || !reflect.DeepEqual(rest, []string{"ayb", "worker"}) {
		t.Errorf("%+v, %q, %v", got, rest, err)
	}
	if got.wants(Seccomp) || !(Policy{}).wants(Seccomp) {
		t.Error("no layers and all layers are the same")
	}
}

func TestFromArgs_refuses_what_it_can_not_read(t *testing.T) {
	for _, last := range []string{"", "worker", "sandbox=", "sandbox={", `sandbox={"Dirs":["relative"]}`, `sandbox={"Dirs":7}`} {
		if _, _, err := FromArgs([]string{"ayb", last}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", last, err)
		}
	}
	if _, _, err := FromArgs(nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("nothing: %v", err)
	}
}

func TestLayer_each_says_what_its_absence_means(t *testing.T) {
	seen := map[string]bool{}
	for _, layer := range Layers() {
		text := layer.Without()
		if text == "" || seen[text] || strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", layer, text)
		}
		seen[text] = true
	}
	if Layer("moat").Without() != "" {
		t.Error("a layer that does not exist means something")
	}
}
