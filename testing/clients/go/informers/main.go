// A client-go program as operators are: typed and dynamic informers, protobuf, a streamed first list,
// aggregated discovery, server-side apply, leader election, and a controller of controller-runtime.
// It prints one line per thing that worked and ends with 1 at the first that did not.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const namespace = "client-go"

func check(err error, what string) {
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", what, err)
		os.Exit(1)
	}
}

func until(ctx context.Context, what string, condition func() (bool, error)) {
	check(wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition() }), what)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	log.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check(err, "kubeconfig")
	config.QPS, config.Burst = 1000, 1000
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed := kubernetes.NewForConfigOrDie(protobuf)

	_, err = typed.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	check(err, "namespace")
	discover(config)
	informed(ctx, typed)
	applied(ctx, typed)
	dynamicClients(ctx, config)
	elected(ctx, typed)
	controlled(ctx, config)
	check(typed.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}), "clean up")
	until(ctx, "namespace gone", func() (bool, error) {
		_, err := typed.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	fmt.Println("ok clean up")
}

// discover asks for groups and resources at once, as client-go does since 1.26.
func discover(config *rest.Config) {
	client := discovery.NewDiscoveryClientForConfigOrDie(config)
	groups, resources, failed, err := client.GroupsAndMaybeResources()
	check(err, "discovery")
	if len(failed) > 0 || len(resources) < 15 || len(groups.Groups) < 15 {
		check(fmt.Errorf("%d groups, resources of %d, failed %v", len(groups.Groups), len(resources), failed), "aggregated discovery")
	}
	_, err = client.OpenAPISchema()
	check(err, "OpenAPI v2 in protobuf")
	paths, err := client.OpenAPIV3().Paths()
	check(err, "OpenAPI v3")
	if _, served := paths["apis/apps/v1"]; !served {
		check(errors.New("no apps/v1"), "OpenAPI v3")
	}
	fmt.Println("ok discovery")
}

// informed watches ConfigMaps through an informer; its first list is streamed (WatchList).
func informed(ctx context.Context, typed *kubernetes.Clientset) {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	maps := typed.CoreV1().ConfigMaps(namespace)
	for i := range 50 {
		_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("m-%d", i)}}, metav1.CreateOptions{})
		check(err, "create in protobuf")
	}
	var added, updated, deleted atomic.Int32
	factory := informers.NewSharedInformerFactoryWithOptions(typed, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = "metadata.name!=kube-root-ca.crt" }))
	informer := factory.Core().V1().ConfigMaps()
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	check(err, "handler")
	factory.Start(stopping.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			check(fmt.Errorf("%v", kind), "informer's first list")
		}
	}
	until(ctx, "additions", func() (bool, error) { return added.Load() == 50, nil })
	for i := range 5 {
		check(retry.RetryOnConflict(retry.DefaultRetry, func() error {
			one, err := maps.Get(ctx, fmt.Sprintf("m-%d", i), metav1.GetOptions{})
			if err != nil {
				return err
			}
			one.Data = map[string]string{"a": "b"}
			_, err = maps.Update(ctx, one, metav1.UpdateOptions{})
			return err
		}), "update")
	}
	check(maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"}), "deletecollection")
	until(ctx, "updates and deletions", func() (bool, error) { return updated.Load() == 5 && deleted.Load() == 50, nil })
	left, err := informer.Lister().List(labels.Everything())
	check(err, "lister")
	if len(left) != 0 {
		check(fmt.Errorf("%d left", len(left)), "lister")
	}

	// The streamed list, asked for by hand: initial events, then the bookmark that ends them.
	yes := true
	stream, err := typed.CoreV1().Namespaces().Watch(ctx, metav1.ListOptions{
		SendInitialEvents: &yes, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	check(err, "WatchList")
	defer stream.Stop()
	for event := range stream.ResultChan() {
		if event.Type == "BOOKMARK" {
			mark := event.Object.(*corev1.Namespace)
			if mark.Annotations["k8s.io/initial-events-end"] != "true" {
				check(fmt.Errorf("%v", mark.Annotations), "WatchList's bookmark")
			}
			fmt.Println("ok informer")
			return
		}
		if event.Type != "ADDED" {
			check(fmt.Errorf("%v", event), "WatchList")
		}
	}
	check(errors.New("the stream ended"), "WatchList")
}

// applied has two managers of one object, who come into conflict.
func applied(ctx context.Context, typed *kubernetes.Clientset) {
	maps := typed.CoreV1().ConfigMaps(namespace)
	one := applycore.ConfigMap("applied", namespace).WithData(map[string]string{"a": "1", "b": "1"})
	_, err := maps.Apply(ctx, one, metav1.ApplyOptions{FieldManager: "first"})
	check(err, "apply")
	two := applycore.ConfigMap("applied", namespace).WithData(map[string]string{"a": "2"})
	_, err = maps.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "second"})
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "first"`) {
		check(fmt.Errorf("no conflict: %v", err), "apply by another")
	}
	_, err = maps.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "second", Force: true})
	check(err, "forced apply")
	live, err := maps.Get(ctx, "applied", metav1.GetOptions{})
	check(err, "get")
	mine, err := applycore.ExtractConfigMap(live, "first")
	check(err, "extract")
	if len(mine.Data) != 1 || mine.Data["b"] != "1" {
		check(fmt.Errorf("%v", mine.Data), "what the first still owns")
	}
	fmt.Println("ok apply")
}

// dynamicClients knows kinds by name only: a custom resource, and metadata alone.
func dynamicClients(ctx context.Context, config *rest.Config) {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	client := dynamic.NewForConfigOrDie(config)
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "gadgets.client-go.test"},
		"spec": map[string]any{
			"group": "client-go.test", "scope": "Namespaced",
			"names": map[string]any{"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
	_, err := definitions.Create(ctx, definition, metav1.CreateOptions{})
	check(err, "definition")
	until(ctx, "established", func() (bool, error) {
		live, err := definitions.Get(ctx, "gadgets.client-go.test", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		conditions, _, err := unstructured.NestedSlice(live.Object, "status", "conditions")
		for _, condition := range conditions {
			if c := condition.(map[string]any); c["type"] == "Established" && c["status"] == "True" {
				return true, nil
			}
		}
		return false, err
	})
	gadgets := schema.GroupVersionResource{Group: "client-go.test", Version: "v1", Resource: "gadgets"}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	informer := factory.ForResource(gadgets)
	var seen atomic.Int32
	_, err = informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { seen.Add(1) }})
	check(err, "handler")
	factory.Start(stopping.Done())
	factory.WaitForCacheSync(ctx.Done())
	gadget := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "client-go.test/v1", "kind": "Gadget", "metadata": map[string]any{"name": "one"},
		"spec": map[string]any{"size": int64(3)},
	}}
	_, err = client.Resource(gadgets).Namespace(namespace).Create(ctx, gadget, metav1.CreateOptions{})
	check(err, "custom resource")
	_, err = client.Resource(gadgets).Namespace(namespace).Patch(ctx, "one", types.MergePatchType, []byte(`{"status":{"done":true}}`), metav1.PatchOptions{}, "status")
	check(err, "its status")
	until(ctx, "dynamic informer", func() (bool, error) { return seen.Load() == 1, nil })
	partial, err := metadata.NewForConfigOrDie(config).Resource(gadgets).Namespace(namespace).List(ctx, metav1.ListOptions{})
	check(err, "metadata")
	if len(partial.Items) != 1 || partial.Items[0].Kind != "PartialObjectMetadata" {
		check(fmt.Errorf("%v", partial.Items), "metadata")
	}
	check(definitions.Delete(ctx, "gadgets.client-go.test", metav1.DeleteOptions{}), "definition's end")
	fmt.Println("ok dynamic")
}

// elected has two candidates; the second leads when the first lets go.
func elected(ctx context.Context, typed *kubernetes.Clientset) {
	leaders := make(chan string, 2)
	candidate := func(ctx context.Context, name string) {
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Name: "leader", Namespace: namespace},
				Client:     typed.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: name},
			},
			ReleaseOnCancel: true, LeaseDuration: 6 * time.Second, RenewDeadline: 4 * time.Second, RetryPeriod: 200 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leaders <- name },
				OnStoppedLeading: func() {},
			},
		})
	}
	first, resign := context.WithCancel(ctx)
	go candidate(first, "one")
	if name := <-leaders; name != "one" {
		check(errors.New(name), "leader")
	}
	second, end := context.WithCancel(ctx)
	defer end()
	go candidate(second, "two")
	resign()
	select {
	case name := <-leaders:
		if name != "two" {
			check(errors.New(name), "second leader")
		}
	case <-time.After(30 * time.Second):
		check(errors.New("nobody in 30 s"), "second leader")
	}
	fmt.Println("ok leader election")
}

type reconciler struct{ client.Client }

// Reconcile keeps a Secret beside each ConfigMap with the label copy, owned by it.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var from corev1.ConfigMap
	if err := r.Get(ctx, request.NamespacedName, &from); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if from.Labels["copy"] == "" {
		return ctrl.Result{}, nil
	}
	to := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: from.Name, Namespace: from.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, to, func() error {
		to.StringData = from.Data
		return controllerutil.SetControllerReference(&from, to, r.Scheme())
	})
	return ctrl.Result{}, err
}

// controlled runs a manager: cache, queue, owner references, and the garbage collector behind them.
func controlled(ctx context.Context, config *rest.Config) {
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics:        server.Options{BindAddress: "0"},
		LeaderElection: true, LeaderElectionID: "copier", LeaderElectionNamespace: namespace, LeaderElectionReleaseOnCancel: true,
	})
	check(err, "manager")
	check(ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).Complete(&reconciler{manager.GetClient()}), "controller")
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(stopping) }()
	direct, err := client.New(config, client.Options{})
	check(err, "client")
	from := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "copied", Namespace: namespace, Labels: map[string]string{"copy": "yes"}}, Data: map[string]string{"a": "b"}}
	check(direct.Create(ctx, from), "object")
	var to corev1.Secret
	key := types.NamespacedName{Namespace: namespace, Name: "copied"}
	until(ctx, "copy", func() (bool, error) {
		err := direct.Get(ctx, key, &to)
		return err == nil && string(to.Data["a"]) == "b", client.IgnoreNotFound(err)
	})
	check(direct.Delete(ctx, &to), "delete the copy")
	until(ctx, "copy made again", func() (bool, error) {
		var again corev1.Secret
		err := direct.Get(ctx, key, &again)
		return err == nil && again.UID != to.UID, client.IgnoreNotFound(err)
	})
	check(direct.Delete(ctx, from, client.PropagationPolicy(metav1.DeletePropagationForeground)), "delete the owner")
	until(ctx, "owned one collected", func() (bool, error) {
		err := direct.Get(ctx, key, &to)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	stop()
	check(<-ended, "manager's end")
	fmt.Println("ok controller-runtime")
}
