package stanch

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	kubernetes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/runbook_plugin_kubernetes"
	witTypes "github.com/stanch/stanch/plugin-sdk/go/internal/wit/types"
)

// Kind is a kind of object: what a call names it by, and its plural, which plans and grants name it by.
type Kind struct {
	// APIVersion is "v1", "apps/v1".
	APIVersion string
	// Name is "Pod", "Deployment".
	Name string
	// Resource is "pods", "deployments".
	Resource string
}

// The kinds that the kit has a name for.
var (
	Pod         = Kind{"v1", "Pod", "pods"}
	Node        = Kind{"v1", "Node", "nodes"}
	Event       = Kind{"v1", "Event", "events"}
	Service     = Kind{"v1", "Service", "services"}
	ConfigMap   = Kind{"v1", "ConfigMap", "configmaps"}
	Deployment  = Kind{"apps/v1", "Deployment", "deployments"}
	ReplicaSet  = Kind{"apps/v1", "ReplicaSet", "replicasets"}
	StatefulSet = Kind{"apps/v1", "StatefulSet", "statefulsets"}
	DaemonSet   = Kind{"apps/v1", "DaemonSet", "daemonsets"}
	Job         = Kind{"batch/v1", "Job", "jobs"}
	CronJob     = Kind{"batch/v1", "CronJob", "cronjobs"}
)

// Named is one object of the kind, by name; the namespace is empty where the kind is in none.
func (k Kind) Named(namespace, name string) Named { return Named{k, namespace, name} }

func (k Kind) collection(namespace string) string {
	group, _, ok := strings.Cut(k.APIVersion, "/")
	if !ok {
		group = "_"
	}
	if namespace == "" {
		namespace = "_"
	}
	return fmt.Sprintf("kubernetes:%s/%s/%s", namespace, group, k.Resource)
}

// Named is what one object is called, in the cluster that the step is bound to.
type Named struct {
	Kind      Kind
	Namespace string
	Name      string
}

// Target is how a plan names it: kubernetes:NAMESPACE/GROUP/RESOURCE/NAME, with "_" where there is none.
func (n Named) Target() string { return n.Kind.collection(n.Namespace) + "/" + n.Name }

// String is for people.
func (n Named) String() string {
	if n.Namespace == "" {
		return fmt.Sprintf("%s `%s`", n.Kind.Name, n.Name)
	}
	return fmt.Sprintf("%s `%s/%s`", n.Kind.Name, n.Namespace, n.Name)
}

func (n Named) wire() kubernetes.Object {
	return kubernetes.Object{ApiVersion: n.Kind.APIVersion, Kind: n.Kind.Name, Namespace: option(n.Namespace), Name: n.Name}
}

// Object is an object as the API server gave it.
type Object struct {
	Kind  Kind
	Value map[string]any
}

// At is what is at this path: pod.At("spec", "nodeName"). Nil where nothing is.
func (o *Object) At(names ...string) any {
	var value any = o.Value
	for _, name := range names {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// Text is the text there; empty where there is none.
func (o *Object) Text(names ...string) string {
	text, _ := o.At(names...).(string)
	return text
}

// Name is its name.
func (o *Object) Name() string { return o.Text("metadata", "name") }

// Namespace is its namespace; empty where it is in none.
func (o *Object) Namespace() string { return o.Text("metadata", "namespace") }

// UID is which one it is: another object of the same name has another.
func (o *Object) UID() string { return o.Text("metadata", "uid") }

// Version is which state of it this is.
func (o *Object) Version() string { return o.Text("metadata", "resourceVersion") }

// Named is what it is called.
func (o *Object) Named() Named { return o.Kind.Named(o.Namespace(), o.Name()) }

// GetObject is one object, as it is now.
func GetObject(what Named) (*Object, error) {
	text, err := answer(kubernetes.Get(what.wire()))
	if err != nil {
		return nil, During(err, "reading %s", what)
	}
	return parse(what.Kind, text)
}

// LookForObject is the object where it is there, and nil where it is not.
func LookForObject(what Named) (*Object, error) {
	object, err := GetObject(what)
	if CodeOf(err) == NotFound && err != nil {
		return nil, nil
	}
	return object, err
}

// FindObjects gives the objects of a kind, page after page as they are needed: of one namespace, or of all where it is empty.
// Empty selectors select everything. It ends after the first error.
func FindObjects(kind Kind, namespace, labels, fields string) iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		query := kubernetes.Query{
			ApiVersion: kind.APIVersion, Kind: kind.Name, Namespace: option(namespace), LabelSelector: option(labels),
			FieldSelector: option(fields), Limit: witTypes.None[uint32](), ContinueFrom: witTypes.None[string](),
		}
		for {
			page, err := answer(kubernetes.Find(query))
			if err != nil {
				yield(nil, During(err, "listing %s", kind.Resource))
				return
			}
			for _, item := range page.Items {
				object, err := parse(kind, item)
				if !yield(object, err) || err != nil {
					return
				}
			}
			if page.Next.IsNone() {
				return
			}
			query.ContinueFrom = page.Next
		}
	}
}

// Logs is the end of a pod's log; of the instance before the last restart where previous is said. The container may be empty
// where the pod has one.
func Logs(pod Named, container string, previous bool, tail uint32) (string, error) {
	text, err := answer(kubernetes.Logs(pod.wire(), option(container), previous, tail))
	return text, During(err, "reading the log of %s", pod)
}

// Content is what a change of an object does, as a plan has it.
type Content struct {
	GraceSeconds *uint32         `json:"graceSeconds,omitempty"`
	Replicas     *uint32         `json:"replicas,omitempty"`
	Kind         string          `json:"kind,omitempty"`
	Body         json.RawMessage `json:"body,omitempty"`
}

// change makes a planned change.
func change(what Named, verb string, content Content) (*Object, error) {
	target, grace := what.wire(), witTypes.None[uint32]()
	if content.GraceSeconds != nil {
		grace = witTypes.Some(*content.GraceSeconds)
	}
	var text string
	var err error
	switch verb {
	case "delete":
		_, err = answer(kubernetes.Delete(target, grace))
	case "evict":
		_, err = answer(kubernetes.Evict(target, grace))
	case "scale":
		if content.Replicas == nil {
			return nil, Failuref(Failed, "the plan's content of `scale` is not whole")
		}
		_, err = answer(kubernetes.Scale(target, *content.Replicas))
	case "create":
		text, err = answer(kubernetes.Create(target, string(content.Body)))
	case "patch":
		text, err = answer(kubernetes.Patch(target, content.Kind, string(content.Body)))
	default:
		err = Failuref(Failed, "The kit does not know how to `%s` an object", verb)
	}
	if err != nil || text == "" {
		return nil, During(err, "`%s` on %s", verb, what)
	}
	return parse(what.Kind, text)
}

func parse(kind Kind, text string) (*Object, error) {
	object := &Object{Kind: kind}
	err := json.Unmarshal([]byte(text), &object.Value)
	return object, During(err, "the cluster answered something that is not a %s", kind.Name)
}
