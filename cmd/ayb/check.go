package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"runtime"
	"strings"

	"ayb/auth"
	"ayb/internal/mail"
)

// The checks of texts. Each returns nil, or an error that completes a sentence
// which begins with the name of the setting.

// oneOf allows the given words only.
func oneOf(words ...string) func(string) error {
	return func(s string) error {
		for _, word := range words {
			if s == word {
				return nil
			}
		}
		return fmt.Errorf(`must be "%s"`, strings.Join(words, `" or "`))
	}
}

// optional allows nothing, which then counts as nothing said.
func optional(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}

func filled(s string) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("must not be empty")
	}
	return nil
}

func databaseURL(s string) error {
	for _, scheme := range []string{"sqlite://", "postgresql://", "postgres://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok && rest != "" {
			return nil
		}
	}
	return fmt.Errorf("must begin with sqlite:// or postgresql://; other databases are not supported")
}

func webURL(s string) error {
	if _, err := parseWebURL(s); err != nil {
		return err
	}
	return nil
}

// parseWebURL reads an http or https URL that paths can be added to.
func parseWebURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("must be an address like https://ayb.example.org or https://example.org/ayb")
	}
	return u, nil
}

func origin(s string) error {
	s = strings.TrimSpace(s)
	if s == "*" {
		return nil
	}
	if u, err := parseWebURL(s); err != nil || u.Path != "" {
		return fmt.Errorf(`must be "*" or an origin like https://app.example.org, without a path`)
	}
	return nil
}

func network(s string) error {
	_, err := parseNetwork(s)
	return err
}

// parseNetwork reads a network, or an address as the network of itself.
func parseNetwork(s string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix.Masked(), nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("must be an address or a network like 10.0.0.0/8")
}

func address(s string) error {
	if _, err := mail.ParseAddress(s); err != nil {
		return fmt.Errorf(`must be an address like "Ann <ann@example.org>"`)
	}
	return nil
}

func isolationMode(s string) error {
	if s == workerProcesses && runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return errors.New(`can't be "process" on this system; set it to "in-process"`)
	}
	return oneOf(workerProcesses, inProcess)(s)
}

// fernetKey refuses what is no key. It says nothing of the text, which is secret
// even if it is wrong.
func fernetKey(s string) error {
	if _, err := auth.ParseEmailKeys(s); err != nil {
		return errors.New("must be 32 bytes in URL-safe base64 (44 characters); ayb default_server_config prints a fresh one")
	}
	return nil
}
