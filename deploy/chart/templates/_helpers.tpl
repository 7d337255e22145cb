{{- define "clbmigrate.labels" -}}
{{ include "clbmigrate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clbmigrate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "clbmigrate.selector" -}}
app.kubernetes.io/name: clbmigrate-webhook
{{- end }}

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

{{- /* All namespaces but the webhook's own, which must start without it, and the system's. */}}
{{- define "clbmigrate.otherNamespaces" -}}
matchExpressions:
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
