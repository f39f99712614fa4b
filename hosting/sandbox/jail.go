package sandbox

import "os/exec"

// remark says who made a wall, if it was not us.
func (j Jail) remark() string {
	if j.Kind == "" {
		return ""
	}
	return "Made by " + string(j.Kind) + "."
}

// jailLayers are the layers that a jail makes.
func jailLayers() []Layer {
	return []Layer{Environment, Users, Network, Processes, IPC, Hostname, Mounts}
}

// jail makes cmd start the jail, and the jail start what cmd was to start.
func (p Policy) jail(*exec.Cmd) error { return nil }
