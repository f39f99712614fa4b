package hosting

import "strings"

// A pragmaRule says who may use a PRAGMA in one of its forms.
type pragmaRule uint8

// The rules. What has none is refused like what is denied, but a test fails if
// SQLite knows a pragma that has none.
const (
	pragmaUnknown pragmaRule = iota
	pragmaDenied             // nobody
	pragmaRead               // everybody: it reads, though SQLite may want a connection that can write
	pragmaWrite              // writers: it changes the file
	pragmaState              // sessions: it changes how the connection works from now on
)

// pragmaVerdict returns the rule for PRAGMA name, or for PRAGMA name = arg if
// hasArg is set; PRAGMA name(arg) is the same to SQLite. Names are in any case.
// SQLite runs many pragmas while it compiles them, so the answer must be had
// before that, and some take an empty argument for "off". docs/sql.md explains
// the rules to users.
func pragmaVerdict(name, arg string, hasArg bool) pragmaRule {
	name = strings.ToLower(name)
	if !hasArg {
		return pragmaPlain(name)
	}
	switch name {
	case "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo",
		"foreign_key_list", "foreign_key_check":
		return pragmaRead // of a table or an index of any name
	case "integrity_check", "quick_check":
		return pragmaRead // of a table, or up to so many findings
	case "user_version", "application_id", "incremental_vacuum", "optimize":
		return ifShape(isNumber(arg), pragmaWrite)
	case "foreign_keys", "defer_foreign_keys", "recursive_triggers", "case_sensitive_like",
		"ignore_check_constraints", "legacy_alter_table", "reverse_unordered_selects", "query_only":
		return ifShape(isSwitch(arg), pragmaState)
	case "analysis_limit":
		return ifShape(isNumber(arg), pragmaState)
	}
	if pragmaPlain(name) == pragmaUnknown {
		return pragmaUnknown
	}
	return pragmaDenied
}

// pragmaPlain returns the rule for PRAGMA name without an argument.
func pragmaPlain(name string) pragmaRule {
	switch name {
	case "table_list", "foreign_key_check", "integrity_check", "quick_check", "collation_list",
		"function_list", "module_list", "pragma_list":
		return pragmaRead
	case "data_version", "page_size": // fts5 and rtree ask for these while they work
		return pragmaRead
	case "analysis_limit", "application_id", "auto_vacuum", "automatic_index", "busy_timeout",
		"cache_size", "cache_spill", "cell_size_check", "checkpoint_fullfsync",
		"defer_foreign_keys", "encoding", "foreign_keys", "freelist_count", "fullfsync",
		"ignore_check_constraints", "journal_mode", "journal_size_limit", "legacy_alter_table",
		"locking_mode", "max_page_count", "mmap_size", "page_count", "query_only",
		"read_uncommitted", "recursive_triggers", "reverse_unordered_selects", "schema_version",
		"secure_delete", "synchronous", "temp_store", "threads", "trusted_schema", "user_version",
		"wal_autocheckpoint", "writable_schema":
		return pragmaRead
	case "incremental_vacuum", "optimize":
		return pragmaWrite
	case "table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list",
		"case_sensitive_like":
		return pragmaRead // which does nothing without its argument
	case "compile_options", "database_list", "temp_store_directory", "data_store_directory":
		return pragmaDenied // they tell about the host: its build, its paths
	case "hard_heap_limit", "soft_heap_limit", "shrink_memory", "wal_checkpoint", "lock_status",
		"lock_proxy_file", "activate_extensions", "stats":
		return pragmaDenied // they are the host's own business
	case "count_changes", "default_cache_size", "empty_result_callbacks", "full_column_names",
		"short_column_names":
		return pragmaDenied // deprecated: they change the form of answers
	}
	return pragmaUnknown
}

// ifShape returns the rule if the argument has the shape it should have.
func ifShape(ok bool, rule pragmaRule) pragmaRule {
	if ok {
		return rule
	}
	return pragmaDenied
}

// isNumber reports whether arg is an integer: digits, perhaps with a sign, or
// hexadecimal.
func isNumber(arg string) bool {
	arg = strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "+")
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(strings.ToLower(arg), "0x"); ok {
		arg, digits = hex, digits+"abcdef"
	}
	return arg != "" && len(arg) <= 20 && strings.Trim(arg, digits) == ""
}

// isSwitch reports whether arg is a word or number for on or off.
func isSwitch(arg string) bool {
	switch strings.ToLower(arg) {
	case "on", "off", "yes", "no", "true", "false":
		return true
	}
	return isNumber(arg)
}
