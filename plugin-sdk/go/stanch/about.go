package stanch

// About is what a plugin says of itself.
type About struct {
	// Name is kebab-case.
	Name string
	// Version is semver.
	Version string
	// Summary is one sentence: what the plugin does, on what.
	Summary string
	// Idempotent, of a remediation: a repeat of an action under one idempotency key has no second effect, so that the engine
	// may send an action again whose answer was lost. Say it only where the other side keeps the promise.
	Idempotent bool
	// VerifiesUndo, of a remediation: asked again after the way back was applied, PlanUndo looks at the world and gives an empty
	// plan where all is as before.
	VerifiesUndo bool
	// Asks is what it needs, in the notation of a grant.
	Asks Asks
}

// Asks is what a plugin needs, in the notation of a grant.
type Asks struct {
	HTTP       []AskHTTP       `json:"http,omitempty"`
	Files      []AskFiles      `json:"files,omitempty"`
	Kubernetes []AskKubernetes `json:"kubernetes,omitempty"`
	Notify     []AskNotify     `json:"notify,omitempty"`
}

// AskHTTP is a URL, the methods that change nothing and those that change something.
type AskHTTP struct {
	URL    string   `json:"url"`
	Read   []string `json:"read,omitempty"`
	Change []string `json:"change,omitempty"`
}

// AskFiles is a folder, what the plugin calls it, and "read" or "change".
type AskFiles struct {
	Path   string `json:"path"`
	At     string `json:"at"`
	Access string `json:"access"`
}

// AskKubernetes is verbs on resources.
type AskKubernetes struct {
	Clusters   []string `json:"clusters"`
	Verbs      []string `json:"verbs"`
	Resources  []string `json:"resources"`
	Namespaces []string `json:"namespaces,omitempty"`
	Names      []string `json:"names,omitempty"`
	Selector   string   `json:"selector,omitempty"`
}

// AskNotify is a URL that messages are posted to.
type AskNotify struct {
	URL string `json:"url"`
}
