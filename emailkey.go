package ayb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ayb/auth"
	"ayb/fault"
)

// openEmailKeys returns the keys of e-mail tokens: those of the configuration, or
// the one in the data path, which is made if it is missing. Nil if neither keys
// nor e-mail are configured.
func openEmailKeys(cfg Config) (*auth.EmailKeys, error) {
	switch {
	case len(cfg.EmailKeys) > 0:
		return auth.ParseEmailKeys(cfg.EmailKeys...)
	case cfg.Mail == nil:
		return nil, nil
	}
	path := filepath.Join(cfg.DataPath, emailKeyName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeEmailKey(cfg, path)
	}
	return parseEmailKeyFile(text, err)
}

// emailKeyName is the file in the data path that holds the key, if none is
// configured.
const emailKeyName = "fernet.key"

func parseEmailKeyFile(text []byte, err error) (*auth.EmailKeys, error) {
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The file fernet.key in the data path can't be made or read")
	}
	keys, err := auth.ParseEmailKeys(strings.Fields(string(text))...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The file fernet.key in the data path holds no key; remove it, and a new one is made (e-mails that were sent stop working)")
	}
	return keys, nil
}

// makeEmailKey makes the file with a key, whole or not at all.
func makeEmailKey(cfg Config, path string) ([]byte, error) {
	key, err := auth.NewEmailKey(cfg.Random)
	if err != nil {
		return nil, err
	}
	text := []byte(key + "\n")
	return text, replaceFile(path, text)
}
