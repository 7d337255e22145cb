{{- /*
Values of a release that was made by an older chart lack what this one has added, and `helm upgrade --reuse-values` takes
them as they are. So every value that 0.1.0 does not have is read with its default: by `dig`, or by a helper below.
*/}}

{{- /* The labels of every object. Those of the chart win over commonLabels. */}}
{{- define "clbmigrate.labels" -}}
{{- $own := dict "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- merge $own (include "clbmigrate.ownLabels" . | fromYaml) (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{- /* The labels that stay the same from one version to the next. */}}
{{- define "clbmigrate.ownLabels" -}}
{{ include "clbmigrate.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: webhook
app.kubernetes.io/part-of: clbmigrate
{{- end }}

{{- /* The labels of the Pods. Without versions, for another chart with the same image is no reason to start Pods anew. */}}
{{- define "clbmigrate.podLabels" -}}
{{- merge (include "clbmigrate.ownLabels" . | fromYaml) (.Values.podLabels | default dict) (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{- /* By which the Deployment and the Service find the Pods. It must never change: a Deployment's selector is immutable. */}}
{{- define "clbmigrate.selector" -}}
app.kubernetes.io/name: clbmigrate-webhook
{{- end }}

{{- define "clbmigrate.serviceAccount" -}}
{{- dig "serviceAccount" "name" "" .Values.AsMap | default "clbmigrate-webhook" }}
{{- end }}

{{- /* Whether rights are granted; empty if not. */}}
{{- define "clbmigrate.grantsRights" -}}
{{- if dig "rbac" "create" true .Values.AsMap }}true{{ end }}
{{- end }}

{{- define "clbmigrate.securePort" -}}
{{- int (.Values.securePort | default 8443) }}
{{- end }}

{{- define "clbmigrate.probePort" -}}
{{- int (.Values.probePort | default 8081) }}
{{- end }}

{{- /* A digest names one image for ever, so it wins over the tag. */}}
{{- define "clbmigrate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- /* Whether reviews are taken only from clients with a certificate; empty if not. */}}
{{- define "clbmigrate.hasClientCA" -}}
{{- if or .Values.tls.clientCA.configMapName .Values.tls.clientCA.secretName }}true{{ end }}
{{- end }}

{{- /* Labels of a webhook configuration, and what shall be written on it for others. */}}
{{- define "clbmigrate.hookMetadata" -}}
labels:
  {{- include "clbmigrate.labels" . | nindent 2 }}
{{- with .Values.tls.hookAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Where the API server finds a hook: list of the root and the path. */}}
{{- define "clbmigrate.clientConfig" -}}
{{- $root := index . 0 -}}
service:
  name: clbmigrate-webhook
  namespace: {{ $root.Release.Namespace }}
  path: {{ index . 1 }}
  port: 443
{{- end }}

{{- define "clbmigrate.workloads" -}}
- apiGroups: [apps]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [deployments, statefulsets, daemonsets]
  scope: Namespaced
{{- end }}

{{- /* A hook's values: list of the root and the hook's name. The result is YAML. */}}
{{- define "clbmigrate.hook" -}}
{{- dig "hooks" (index . 1) dict (index . 0).Values.AsMap | toYaml }}
{{- end }}

{{- /* A selector with what the hook itself asks for: list of the selector, labels and expressions. */}}
{{- define "clbmigrate.selectorWith" -}}
{{- $selector := index . 0 | default dict }}
{{- $all := dict }}
{{- with merge (index . 1) ($selector.matchLabels | default dict) }}{{ $_ := set $all "matchLabels" . }}{{ end }}
{{- with concat ($selector.matchExpressions | default list) (index . 2) }}{{ $_ := set $all "matchExpressions" . }}{{ end }}
{{- if $all }}{{ toYaml $all | nindent 2 }}{{ else }} {}{{ end }}
{{- end }}

{{- /* Which objects a hook is asked about: list of the hook's values, and of labels and expressions for its namespaces. */}}
{{- define "clbmigrate.selectors" -}}
{{- $hook := index . 0 -}}
namespaceSelector:
{{- include "clbmigrate.selectorWith" (list $hook.namespaceSelector (index . 1) (index . 2)) }}
objectSelector:
{{- include "clbmigrate.selectorWith" (list $hook.objectSelector dict list) }}
{{- end }}

{{- /* All namespaces but the webhook's own, which must start without it, and the system's. */}}
{{- define "clbmigrate.otherNamespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: [{{ .Release.Namespace }}, kube-system]
{{- end }}

{{- /* Modes by rule, as JSON. Helm takes `off` for a boolean. */}}
{{- define "clbmigrate.modes" -}}
{{- $modes := dict }}
{{- range $rule, $mode := . }}
{{- $_ := set $modes $rule (kindIs "bool" $mode | ternary "off" $mode) }}
{{- end }}
{{- toJson $modes }}
{{- end }}

{{- /* In a condition: whether a key may be one that CCM reads, or was meant as one. */}}
{{- define "clbmigrate.key" -}}
{{ . }}.contains('load') || {{ . }}.contains('ali')
{{- end }}

{{- /* In a condition: whether a change of this annotation is looked at. */}}
{{- define "clbmigrate.readKey" -}}
({{ include "clbmigrate.key" . }} || {{ . }}.startsWith('service.beta.kubernetes.io/') || {{ . }} == 'clbmigrate.io/allow')
{{- end }}

{{- /*
What becomes of a weight of 101 in the release's namespace, as a mode: enforce, warn or audit. The softest of what is set
for the namespace or else for all, and for rule CLB001.
*/}}
{{- define "clbmigrate.modeHere" -}}
{{- $namespace := .Release.Namespace }}
{{- $mode := dig $namespace (.Values.mode | default "enforce") (.Values.namespaceModes | default dict) }}
{{- $rule := dig $namespace "rules" "CLB001" (dig "CLB001" "deny" (.Values.rules | default dict)) (.Values.namespaces | default dict) }}
{{- if or (has $namespace (dig "exempt" "namespaces" list .Values.AsMap)) (eq $mode "audit") (has $rule (list "audit" "off" false)) }}audit
{{- else if or (eq $mode "warn") (eq $rule "warn") }}warn
{{- else }}enforce
{{- end }}
{{- end }}

{{- /* What happens to Services while no webhook answers. One that refuses nothing must never be the reason why a change fails. */}}
{{- define "clbmigrate.servicesFailurePolicy" -}}
{{- $byMode := eq (.Values.mode | default "enforce") "enforce" | ternary "Fail" "Ignore" -}}
{{- dig "services" "" (.Values.failurePolicy | default dict) | default $byMode -}}
{{- end }}
