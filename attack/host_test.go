//go:build linux

package attack

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"

	"ayb"
)

// host does what only whoever runs the server can do, or somebody who has a
// hostile file brought in.
func (r *run) host(s *Step) error {
	switch s.What {
	case "advance":
		d, err := time.ParseDuration(s.Args[0])
		if err == nil {
			r.clock.Advance(d)
		}
		return err
	case "renew": // everybody but mallory makes a new token
		for slug := range r.tokens {
			if slug == "mallory" {
				continue
			}
			secret, _, err := r.CreateToken(context.Background(), ayb.System, slug, nil)
			if err != nil {
				return err
			}
			r.tokens[slug] = secret
		}
		return nil
	case "sessions": // waits until so many are left
		for deadline := time.Now().Add(r.patience(s)); strconv.Itoa(r.runner.Stats().Sessions) != s.Args[0]; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				r.find("line %d: %d sessions are open", s.Line, r.runner.Stats().Sessions)
				return nil
			}
		}
		return nil
	case "mail":
		r.mu.Lock()
		defer r.mu.Unlock()
		r.vars[s.Args[1]] = r.mailbox.Token(s.Args[0])
		return nil
	case "craft":
		image, err := craft(filepath.Join(r.dir, "crafted"), s.Body)
		if err != nil {
			return err
		}
		return r.place(s.On, func(path string) error { return os.WriteFile(path, image, 0o600) })
	case "keep": // a file to send, under a name for {{var "NAME"}}
		image, err := craft(filepath.Join(r.dir, "crafted"), s.Body)
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.vars[s.Args[0]] = string(image)
		return nil
	case "place": // a file beside the database: its suffix, and its bytes as of a recipe
		content, err := recipe(s.Args[1:], s.Body)
		if err != nil {
			return err
		}
		return r.place(s.On, func(path string) error { return os.WriteFile(path+s.Args[0], content, 0o600) })
	case "link": // symbolic or hard, instead of the file of a suffix, to a target
		suffix := ""
		if len(s.Args) > 2 {
			suffix = s.Args[2]
		}
		return r.place(s.On, func(path string) error {
			path += suffix
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if s.Args[0] == "hard" {
				return os.Link(s.Args[1], path)
			}
			return os.Symlink(s.Args[1], path)
		})
	}
	return fmt.Errorf("the host can't %s", s.What)
}

// place changes the files of a database while nobody has them open.
func (r *run) place(ref string, change func(path string) error) error {
	id, err := r.fileOf(ref)
	if err != nil {
		return err
	}
	path, err := r.file(ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resume, err := r.runner.Release(ctx, id)
	if err != nil {
		return err
	}
	defer resume()
	return change(path)
}

// craft makes the bytes of a database: SQL that is run with every power there is,
// and lines that begin with % and change bytes afterwards:
//
//	%patch 2:100 0d00   writes bytes at page:offset; pages count from 1
//	%truncate 1000      cuts the file off
//	%extend 100         adds zeros
//	%flip 7 20          flips so many bits at random, from a seed
//	%empty              no byte at all
func craft(dir, text string) ([]byte, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var sql, changes []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "%") {
			changes = append(changes, line[1:])
		} else {
			sql = append(sql, line)
		}
	}
	path := filepath.Join(dir, "db")
	if err := write(path, strings.Join(sql, "\n")); err != nil {
		return nil, err
	}
	image, err := os.ReadFile(path)
	for _, change := range changes {
		if err == nil {
			image, err = alter(image, strings.Fields(change))
		}
	}
	return image, err
}

// write makes a database by SQL that nothing is denied.
func write(path, sql string) (err error) {
	c, err := sqlite3.Open("file:" + path + "?nofollow=1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.Config(sqlite3.DBCONFIG_DEFENSIVE, false); err != nil {
		return err
	}
	for _, option := range []sqlite3.DBConfig{sqlite3.DBCONFIG_WRITABLE_SCHEMA, sqlite3.DBCONFIG_TRUSTED_SCHEMA, sqlite3.DBCONFIG_DQS_DDL, sqlite3.DBCONFIG_DQS_DML} {
		if _, err := c.Config(option, true); err != nil {
			return err
		}
	}
	if err := errors.Join(fts5.Register(c), rtree.Register(c)); err != nil {
		return err
	}
	return c.Exec("PRAGMA page_size=4096; PRAGMA journal_mode=WAL;" + sql)
}

func alter(image []byte, words []string) ([]byte, error) {
	number := func(i int) int {
		if i >= len(words) {
			return 0
		}
		n, err := strconv.Atoi(words[i])
		if err != nil {
			return 0
		}
		return n
	}
	switch words[0] {
	case "patch":
		page, offset, _ := strings.Cut(words[1], ":")
		p, err1 := strconv.Atoi(page)
		o, err2 := strconv.Atoi(offset)
		b, err3 := hex.DecodeString(words[2])
		at := (p-1)*4096 + o
		if err := errors.Join(err1, err2, err3); err != nil || at+len(b) > len(image) {
			return nil, fmt.Errorf("%v can't be done to %d bytes: %v", words, len(image), err)
		}
		copy(image[at:], b)
	case "truncate":
		image = image[:min(number(1), len(image))]
	case "extend":
		image = append(image, make([]byte, number(1))...)
	case "flip":
		random := rand.New(rand.NewPCG(uint64(number(1)), 0))
		for range number(2) {
			image[random.IntN(len(image))] ^= 1 << random.IntN(8)
		}
	case "empty":
		image = nil
	default:
		return nil, fmt.Errorf("there is no change %q", words[0])
	}
	return image, nil
}

// recipe makes the bytes of a file that is no database.
func recipe(words []string, body string) ([]byte, error) {
	if len(words) == 0 {
		return []byte(body), nil
	}
	switch words[0] {
	case "hex":
		b, err := unhex(body)
		return []byte(b), err
	case "noise":
		random := rand.NewChaCha8([32]byte{1})
		b := make([]byte, 100_000)
		_, err := random.Read(b)
		return b, err
	case "super-journal": // a hot journal that names another file as its super-journal
		return superJournal(strings.TrimSpace(body)), nil
	case "log": // a log whose one frame says that the database has so many pages
		pages, err := strconv.ParseUint(words[1], 10, 32)
		return hostileLog(uint32(pages)), err
	}
	return nil, fmt.Errorf("there is no recipe %q", words[0])
}

// superJournal returns a rollback journal that names a super-journal and, if that
// exists, cuts the database down to one page.
// It holds no pages.
func superJournal(name string) []byte {
	const sector, page = 4096, 4096
	b := make([]byte, sector)
	copy(b, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	binary.BigEndian.PutUint32(b[8:], 0)      // records
	binary.BigEndian.PutUint32(b[12:], 12345) // nonce
	binary.BigEndian.PutUint32(b[16:], 1)     // pages before
	binary.BigEndian.PutUint32(b[20:], sector)
	binary.BigEndian.PutUint32(b[24:], page)
	var sum uint32
	for _, c := range []byte(name) {
		sum += uint32(c)
	}
	b = binary.BigEndian.AppendUint32(b, 0x40000000/page+1) // the page that is never used
	b = append(b, name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"...)
}

// hostileLog returns a write-ahead log with valid checksums whose one frame
// writes zeros over page 1 and commits a database of so many pages.
func hostileLog(pages uint32) []byte {
	const page = 4096
	head := make([]byte, 32)
	binary.BigEndian.PutUint32(head, 0x377f0683) // checksums of big-endian words
	binary.BigEndian.PutUint32(head[4:], 3007000)
	binary.BigEndian.PutUint32(head[8:], page)
	binary.BigEndian.PutUint32(head[16:], 1) // salts
	binary.BigEndian.PutUint32(head[20:], 2)
	s0, s1 := logSum(0, 0, head[:24])
	binary.BigEndian.PutUint32(head[24:], s0)
	binary.BigEndian.PutUint32(head[28:], s1)
	frame := make([]byte, 24+page)
	binary.BigEndian.PutUint32(frame, 1)
	binary.BigEndian.PutUint32(frame[4:], pages)
	binary.BigEndian.PutUint32(frame[8:], 1)
	binary.BigEndian.PutUint32(frame[12:], 2)
	s0, s1 = logSum(s0, s1, frame[:8])
	s0, s1 = logSum(s0, s1, frame[24:])
	binary.BigEndian.PutUint32(frame[16:], s0)
	binary.BigEndian.PutUint32(frame[20:], s1)
	return append(head, frame...)
}

// logSum goes on with the checksum of a log.
func logSum(s0, s1 uint32, b []byte) (uint32, uint32) {
	for ; len(b) >= 8; b = b[8:] {
		s0 += binary.BigEndian.Uint32(b) + s1
		s1 += binary.BigEndian.Uint32(b[4:]) + s0
	}
	return s0, s1
}
