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
	Active   State = "active"   // it stands
	Unproven State = "unproven" // it is entered, and what it prevents is impossible here without it too
	Missing  State = "missing"  // it was wanted and is not there
	Off      State = "off"      // nobody wanted it
)

// A Finding is how it stands with one layer, and why.
type Finding struct {
	Layer Layer `json:"layer"`
	State State `json:"state"`

	// Reason is for the operator, in whole sentences. It is there for every layer
	// that is missing, and says what its absence means as well, or unproven; it
	// may be there for one that stands.
	Reason string `json:"reason,omitempty"`
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
	return Finding{Layer: layer, State: Missing, Reason: "Nothing is known about this layer."}
}

// Active returns the layers that stand.
func (r Report) Active() []Layer { return r.layers(Active) }

// Entered returns the layers that stand or are unproven: what [Policy.Layers]
// should hold for workers on a machine that was probed.
func (r Report) Entered() []Layer { return r.layers(Active, Unproven) }

// layers returns the layers in any of the states, not nil.
func (r Report) layers(states ...State) []Layer {
	list := []Layer{}
	for _, f := range r {
		if slices.Contains(states, f.State) {
			list = append(list, f.Layer)
		}
	}
	return list
}

// Missing returns the findings about layers that were wanted and are not there.
func (r Report) Missing() []Finding { return r.findings(Missing) }

// Unproven returns the findings about layers that workers enter although trying
// does not show whether they stand.
func (r Report) Unproven() []Finding { return r.findings(Unproven) }

// findings returns the findings with a state.
func (r Report) findings(state State) []Finding {
	return slices.DeleteFunc(slices.Clone(r), func(f Finding) bool { return f.State != state })
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

// miss sets a layer missing for a reason, a sentence without its full stop.
func (r Report) miss(layer Layer, why string) {
	r.set(layer, Missing, why+". "+layer.Without()+".")
}

// set replaces the finding about a layer.
func (r Report) set(layer Layer, state State, reason string) {
	for i := range r {
		if r[i].Layer == layer {
			r[i] = Finding{Layer: layer, State: state, Reason: reason}
		}
	}
}

// newReport returns a report in which the wanted layers are missing for a reason,
// a sentence without its full stop.
func newReport(p Policy, why string) Report {
	var r Report
	for _, layer := range Layers() {
		r = append(r, Finding{Layer: layer, State: Off})
		if p.wants(layer) {
			r.miss(layer, why)
		}
	}
	return r
}
