package main

import (
	"context"
	"os"
	"path/filepath"
)

func (c *config) examineMail(ctx context.Context) (list []finding) {
	const subject = "e-mail"
	if c.hasMailServer() {
		list = append(list, c.examineMailServer(ctx))
	}
	if path := c.mailFile(); path != "" {
		list = append(list, examineMailFile(path))
	}
	if c.talksToTerminal() {
		list = append(list, found(warning, subject, "there is no mail server, so that only those who see the server's output can register; set [email.smtp]"))
	}
	return list
}

// examineMailServer greets the mail server and logs in, and sends nothing.
func (c *config) examineMailServer(ctx context.Context) finding {
	const subject = "e-mail"
	server := c.smtp()
	where := joined(server.Host, int64(server.Port))
	if err := server.Check(ctx); err != nil {
		return found(broken, subject, "the mail server %s does not work (%s); check [email.smtp]", where, plain(err))
	}
	return found(fine, subject, "the mail server %s answers", where)
}

func examineMailFile(path string) finding {
	const subject = "e-mail"
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return found(broken, subject, "%s is a directory; set email.file.path to a file", path)
	case err == nil:
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return found(broken, subject, "the file %s can't be written (%s); give it to the user who runs the server", path, plain(err))
		}
		f.Close()
	default:
		if err := tryWriting(existing(filepath.Dir(path))); err != nil {
			return found(broken, subject, "the file %s can't be made (%s); set email.file.path", path, plain(err))
		}
	}
	return found(fine, subject, "the file %s can be written", path)
}
