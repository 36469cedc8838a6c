//go:build tools

// Programs that are built as they are published.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
