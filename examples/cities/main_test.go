package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTour(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cities.json")
	places := `[{"name":"Boston","lat":"42.35843","lng":"-71.05977","country":"US","admin1":"MA","admin2":"025"},
		{"name":"Springfield","lat":"42.10148","lng":"-72.58981","country":"US","admin1":"MA","admin2":"013"},
		{"name":"Ordino","lat":"42.55623","lng":"1.53319","country":"AD","admin1":"05","admin2":""}]`
	if err := os.WriteFile(file, []byte(places), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, overHTTP := range []bool{false, true} {
		story := tell(t, file, overHTTP)
		for _, want := range []string{"3 places\n", "US  2", "AD  1", "Boston       US  0.2", "Springfield  US", "refused: Attempted to write"} {
			if !strings.Contains(story, want) {
				t.Errorf("the tour (over HTTP: %t) does not say %q:\n%s", overHTTP, want, story)
			}
		}
	}
}

// With all the data, as `make test` runs it.
func TestTour_of_the_world(t *testing.T) {
	file := os.Getenv("AYB_TEST_CITIES")
	switch {
	case file != "":
	case os.Getenv("AYB_TEST_REQUIRE") != "":
		t.Fatal("AYB_TEST_CITIES is not set")
	default:
		t.Skip("set AYB_TEST_CITIES to what scripts/cities prints; `make test` does")
	}
	story := tell(t, file, true)
	for _, want := range []string{"171075 places\n", "US  17343", "Boston", "Beacon Hill", "Springwood", "refused: Attempted to write"} {
		if !strings.Contains(story, want) {
			t.Errorf("the tour does not say %q:\n%s", want, story)
		}
	}
}

func tell(t *testing.T, file string, overHTTP bool) string {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), &out, file, t.TempDir(), overHTTP); err != nil {
		t.Fatalf("%v after\n%s", err, &out)
	}
	return out.String()
}
