package wire

import "ayb/fault"

// An ErrorType is the word by which programs written for ayb tell one error from
// another. The list is closed: such a program can't read a type it does not
// know. What else there is to know about an error is in its kind.
type ErrorType string

// The types of error. Other stands for whatever has no type of its own.
const (
	Other                     ErrorType = "Other"
	ConfigurationError        ErrorType = "ConfigurationError"
	CantSetOwnerPermissions   ErrorType = "CantSetOwnerPermissions"
	EmailError                ErrorType = "EmailError"
	InvalidSlug               ErrorType = "InvalidSlug"
	InvalidToken              ErrorType = "InvalidToken"
	NoWriteAccessError        ErrorType = "NoWriteAccessError"
	RegistrationError         ErrorType = "RegistrationError"
	EmptyUpdateError          ErrorType = "EmptyUpdateError"
	Unauthorized              ErrorType = "Unauthorized"
	RecordNotFound            ErrorType = "RecordNotFound"
	QueryError                ErrorType = "QueryError"
	DurationParseError        ErrorType = "DurationParseError"
	S3ExecutionError          ErrorType = "S3ExecutionError"
	S3ConnectionError         ErrorType = "S3ConnectionError"
	SnapshotError             ErrorType = "SnapshotError"
	SnapshotDoesNotExistError ErrorType = "SnapshotDoesNotExistError"
)

// An Error is the body of every answer that is not a success.
type Error struct {
	Type ErrorType `json:"type"`

	// ID and RecordType say what is missing, if the type is RecordNotFound.
	ID         string `json:"id,omitempty"`
	RecordType string `json:"record_type,omitempty"`

	Message string     `json:"message"`
	Kind    fault.Kind `json:"kind"`

	// Code is SQLite's extended result code, and Statement which statement of a text
	// of several has failed, counted from 1. Each is left out where it is not known.
	Code      int `json:"sqlite_code,omitempty"`
	Statement int `json:"statement,omitempty"`
}
