package hosting

import "strings"

// A verdict says who may call a function.
type verdict uint8

// The verdicts. What has none is refused like what is denied, but a test fails
// if SQLite knows a function that has none.
const (
	functionUnknown  verdict = iota
	functionDenied           // nobody
	functionAllowed          // everybody
	functionKillable         // who runs where the process can be killed, for no interrupt stops it
)

// functionVerdict returns the verdict on the SQL function of the given name in
// lower case. docs/sql.md explains it to users.
func functionVerdict(name string) verdict {
	switch name {
	case "->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg",
		"base64", "bm25", "ceil", "ceiling", "changes", "char", "coalesce", "concat", "concat_ws",
		"cos", "cosh", "count", "cume_dist", "current_date", "current_time", "current_timestamp",
		"date", "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format",
		"fts5_get_locale", "fts5_insttoken", "fts5_locale", "glob", "group_concat", "hex",
		"highlight", "ieee754", "ieee754_exponent", "ieee754_from_blob", "ieee754_from_int",
		"ieee754_inc", "ieee754_mantissa", "ieee754_to_blob", "ieee754_to_int", "if", "ifnull",
		"iif", "instr", "json", "json_array", "json_array_insert", "json_array_length",
		"json_error_position", "json_extract", "json_group_array", "json_group_object",
		"json_insert", "json_object", "json_quote", "json_remove", "json_replace", "json_set",
		"json_type", "json_valid", "jsonb", "jsonb_array", "jsonb_array_insert", "jsonb_extract",
		"jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object", "jsonb_remove",
		"jsonb_replace", "jsonb_set", "julianday", "lag", "last_insert_rowid", "last_value", "lead",
		"length", "like", "likelihood", "likely", "ln", "log", "log10", "log2", "lower", "ltrim",
		"match", "max", "min", "mod", "nth_value", "ntile", "nullif", "octet_length",
		"percent_rank", "pi", "pow", "power", "printf", "quote", "radians", "random", "randomblob",
		"rank", "replace", "round", "row_number", "rtreedepth", "rtreenode", "rtrim", "sign", "sin",
		"sinh", "snippet", "soundex", "sqlite_version", "sqrt", "strftime", "string_agg", "substr",
		"substring", "subtype", "sum", "tan", "tanh", "time", "timediff", "total", "total_changes",
		"trim", "trunc", "typeof", "unhex", "unicode", "unistr", "unistr_quote", "unixepoch",
		"unlikely", "upper", "zeroblob":
		return functionAllowed
	case "sqlite_add_constraint", "sqlite_drop_column", "sqlite_drop_constraint", "sqlite_fail",
		"sqlite_find_constraint", "sqlite_rename_column", "sqlite_rename_quotefix",
		"sqlite_rename_table", "sqlite_rename_test":
		return functionAllowed // to ALTER TABLE, for SQLite keeps users from calling them
	case "decimal", "decimal_add", "decimal_cmp", "decimal_exp", "decimal_mul", "decimal_pow2",
		"decimal_sub", "decimal_sum", "json_patch", "json_pretty", "jsonb_patch", "regexp", "regexpi",
		"rtreecheck":
		return functionKillable
	case "fts5", "fts5_source_id", "sqlite_compileoption_get", "sqlite_compileoption_used",
		"sqlite_log", "sqlite_source_id":
		return functionDenied // pointers between extensions, the build, the host's log
	case "geopoly_area", "geopoly_bbox", "geopoly_blob", "geopoly_ccw", "geopoly_contains_point",
		"geopoly_debug", "geopoly_group_bbox", "geopoly_json", "geopoly_overlap", "geopoly_regular",
		"geopoly_svg", "geopoly_within", "geopoly_xform":
		return functionDenied // like the module they belong to
	case "edit", "fts3_tokenizer", "fsdir", "load_extension", "readfile", "writefile", "zipfile":
		return functionDenied // what some builds of SQLite have and must not have here
	}
	return functionUnknown
}

// A moduleRule says what may be done with a module of virtual tables.
type moduleRule struct {
	known     bool // the module has a rule
	creatable bool // CREATE VIRTUAL TABLE may name it
	denied    bool // the table that it offers without CREATE may not be read
}

// moduleVerdict returns the rule for the module of the given name in lower case;
// the zero rule for a name that is no module's, as of an ordinary table.
func moduleVerdict(name string) moduleRule {
	switch name {
	case "fts5", "fts5vocab", "rtree", "rtree_i32":
		return moduleRule{known: true, creatable: true}
	case "generate_series", "json_each", "json_tree", "jsonb_each", "jsonb_tree":
		return moduleRule{known: true}
	case "geopoly":
		return moduleRule{known: true} // an ordinary table may have this name
	case "bytecode", "dbstat", "sqlite_dbdata", "sqlite_dbpage", "sqlite_dbptr", "sqlite_memstat",
		"sqlite_stmt", "tables_used":
		return moduleRule{known: true, denied: true}
	}
	if strings.HasPrefix(name, "pragma_") {
		return moduleRule{known: true} // the pragma behind it is asked for when it runs
	}
	return moduleRule{}
}
