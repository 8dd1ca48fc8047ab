{{/* The names and labels of all objects. */}}

{{- define "kubernetes-worker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* The name of all objects. It leaves room for the endings of their names. */}}
{{- define "kubernetes-worker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 43 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The name of objects without a namespace, which several releases of one name must not share. */}}
{{- define "kubernetes-worker.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "kubernetes-worker.fullname" .) -}}
{{- end }}

{{/* The namespace of the steps. */}}
{{- define "kubernetes-worker.stepsNamespace" -}}
{{- default .Release.Namespace .Values.steps.namespace -}}
{{- end }}

{{- define "kubernetes-worker.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kubernetes-worker.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* The service account of the steps. Empty: that of the namespace. */}}
{{- define "kubernetes-worker.stepsServiceAccountName" -}}
{{- if .Values.steps.serviceAccount.create -}}
{{- default (printf "%s-steps" (include "kubernetes-worker.fullname" .)) .Values.steps.serviceAccount.name -}}
{{- else -}}
{{- .Values.steps.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "kubernetes-worker.configMapName" -}}
{{- default (include "kubernetes-worker.fullname" .) .Values.existingConfigMap -}}
{{- end }}

{{- define "kubernetes-worker.claimName" -}}
{{- default (printf "%s-store" (include "kubernetes-worker.fullname" .)) .Values.store.pvc.existingClaim -}}
{{- end }}

{{- define "kubernetes-worker.image" -}}
{{- $image := .Values.image -}}
{{- $path := $image.repository -}}
{{- if $image.registry }}{{ $path = printf "%s/%s" (trimSuffix "/" $image.registry) $image.repository }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $path $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $path (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{/*
The labels that select the pods of one component. They never change between versions of the chart.
Takes a dict with "root" and "component".
*/}}
{{- define "kubernetes-worker.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kubernetes-worker.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The labels of an object. Takes a dict with "root" and "component". */}}
{{- define "kubernetes-worker.labels" -}}
{{ include "kubernetes-worker.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: kubernetes-worker
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The metadata of an object: its labels, and its annotations if there are any.
Takes a dict with "root", "component", "name", and optionally "namespace", "labels" and "annotations".
*/}}
{{- define "kubernetes-worker.metadata" -}}
name: {{ .name }}
{{- if not .clusterWide }}
namespace: {{ default .root.Release.Namespace .namespace }}
{{- end }}
labels:
  {{- include "kubernetes-worker.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels and annotations of a pod. Takes a dict with "root", "component", and optionally "annotations" and "labels". */}}
{{- define "kubernetes-worker.podMetadata" -}}
labels:
  {{- include "kubernetes-worker.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
