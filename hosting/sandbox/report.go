package sandbox

import (
	"slices"
	"strings"

	"ayb/fault"
)

// A State is how it stands with a layer.
type State string

// The states.
const (
	Active  State = "active"  // it stands
	Missing State = "missing" // it was wanted and is not there
	Off     State = "off"     // nobody wanted it
)

// A Finding is how it stands with one layer, and why.
type Finding struct {
	Layer  Layer  `json:"layer"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // one sentence; always there if the layer is missing
}

// A Report says of every layer how it stands, in the order of [Layers]. The one
// that [Probe] returns is evidence; the one of [Enter] is what the worker was
// told by the kernel. It is plain data and may be sent as JSON.
type Report []Finding

// Of returns the finding about one layer.
func (r Report) Of(layer Layer) Finding {
	for _, f := range r {
		if f.Layer == layer {
			return f
		}
	}
	return Finding{Layer: layer, State: Missing, Reason: "Nothing is known about this layer"}
}

// Active returns the layers that stand: what [Policy.Layers] should hold for
// workers on a machine that was probed.
func (r Report) Active() []Layer {
	active := []Layer{}
	for _, f := range r {
		if f.State == Active {
			active = append(active, f.Layer)
		}
	}
	return active
}

// Missing returns the findings about layers that were wanted and are not there.
func (r Report) Missing() []Finding {
	return slices.DeleteFunc(slices.Clone(r), func(f Finding) bool { return f.State != Missing })
}

// Err returns an error of kind Unavailable that names the missing layers, or nil
// if there is none.
func (r Report) Err() error {
	var names []string
	for _, f := range r.Missing() {
		names = append(names, string(f.Layer))
	}
	if names == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "The sandbox around worker processes lacks %s on this machine", strings.Join(names, ", "))
}

// String returns one line per layer.
func (r Report) String() string {
	var b strings.Builder
	for _, f := range r {
		b.WriteString(string(f.Layer) + ": " + string(f.State))
		if f.Reason != "" {
			b.WriteString(": " + f.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// set replaces the finding about a layer.
func (r Report) set(layer Layer, state State, reason string) {
	for i := range r {
		if r[i].Layer == layer {
			r[i] = Finding{Layer: layer, State: state, Reason: reason}
		}
	}
}

// newReport returns a report in which the wanted layers are missing for a reason
// that whoever fills it in replaces.
func newReport(p Policy, reason string) Report {
	var r Report
	for _, layer := range Layers() {
		f := Finding{Layer: layer, State: Off}
		if p.wants(layer) {
			f = Finding{Layer: layer, State: Missing, Reason: reason}
		}
		r = append(r, f)
	}
	return r
}
