// Package hosting runs SQL from strangers against SQLite databases on disk,
// within bounds. The [Runner] interface says what is promised; [NewInProcess]
// makes the Runner whose walls stand inside this process.
package hosting
