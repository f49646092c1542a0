// Package kubernetes holds the manifests in deploy/kubernetes to Kubernetes' own types,
// and to each other. It is a module of its own, as those types bring along more than the
// manifests are worth to the program.
package kubernetes
