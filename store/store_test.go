package store_test

import (
	"testing"

	"ayb/store/storetest"
)

func TestStore_SQLite(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestStore_Postgres(t *testing.T) { storetest.Run(t, storetest.Postgres) }
