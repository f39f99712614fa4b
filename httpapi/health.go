package httpapi

// health says that the server answers.
func (x *exchange) health() (any, error) {
	return struct {
		Status string `json:"status"`
	}{"ok"}, nil
}
