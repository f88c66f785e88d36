// A Kubernetes control plane for tests, in one program.
//
// The first argument says which part of it to be. Each part is Kubernetes' own command, in a process of its own, so that
// a test can kill one of them; in one program, because they share nearly all of their code, and most of the time to build
// it. The nodes and the life of pods are simulated by kwok; all else is what clusters run.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/kustomize/crd"
	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

const usage = "usage: control-plane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kwok|kubectl ARGUMENTS\n" +
	"       control-plane node-stages|kwok-crds"

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	// Each command reads its name and its flags from here.
	os.Args = os.Args[1:]
	switch part := os.Args[0]; part {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kwok":
		if err := kwokCommand().Execute(); err != nil {
			fail(err)
		}
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
	case "node-stages":
		// How a node lives, for kwok's configuration; how pods live is the tests' own.
		fmt.Println(fast.DefaultNodeInit + "\n---\n" + heartbeat.DefaultNodeHeartbeatWithLease)
	case "kwok-crds":
		// What kwok is told through the API: the files that hold a container's log.
		fmt.Println(string(crd.Logs))
	default:
		fail(fmt.Sprintf("unknown part %q\n%s", part, usage))
	}
}

// As kwok's own main makes it.
func kwokCommand() *cobra.Command {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := kwoklog.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		fail(err)
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	// Kubernetes has a flag --version on the flags of every command in this program; cobra stops at a second one.
	command.Version = ""
	command.SetContext(ctx)
	return command
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}
