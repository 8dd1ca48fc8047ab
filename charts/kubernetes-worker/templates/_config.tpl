{{/* Where the files with secrets are. */}}
{{- define "kubernetes-worker.secretFolder" -}}/run/secrets/kubernetes-worker{{- end }}

{{/* Whether the URL of the database comes from existingSecret. */}}
{{- define "kubernetes-worker.usesDatabaseSecret" -}}
{{- if and .Values.existingSecret .Values.secretKeys.databaseUrl -}}true{{- end -}}
{{- end }}

{{/* How clients of the status API authenticate. Empty with existingConfigMap, which the chart does not read. */}}
{{- define "kubernetes-worker.statusAuth" -}}
{{- if not .Values.existingConfigMap -}}
{{- dig "status" "auth" "token" (default dict .Values.config) -}}
{{- end -}}
{{- end }}

{{/* Whether the token of the status API comes from existingSecret. */}}
{{- define "kubernetes-worker.usesTokenSecret" -}}
{{- $auth := include "kubernetes-worker.statusAuth" . -}}
{{- if and .Values.existingSecret .Values.secretKeys.statusToken (or .Values.existingConfigMap (eq $auth "token")) -}}true{{- end -}}
{{- end }}

{{/* Returns a key of the configuration, or its default. Takes a list of the root, the section and the name of the key. */}}
{{- define "kubernetes-worker.configValue" -}}
{{- $root := index . 0 -}}
{{- $section := index . 1 -}}
{{- $name := index . 2 -}}
{{- $default := index (include "kubernetes-worker.configDefaults" $root | fromYaml) $section $name -}}
{{- dig $section $name $default (default dict $root.Values.config) -}}
{{- end }}

{{/* The configuration of the service: that of the values, and what follows from other values. */}}
{{- define "kubernetes-worker.config" -}}
{{- $config := deepCopy (default dict .Values.config) -}}
{{- range list "worker" "database" "status" "metrics" -}}
{{- if not (get $config .) }}{{ $_ := set $config . dict }}{{ end -}}
{{- end -}}
{{- if not $config.worker.name }}{{ $_ := set $config.worker "name" .Release.Name }}{{ end -}}
{{- $_ := set $config.worker "namespace" (include "kubernetes-worker.stepsNamespace" .) -}}
{{- if include "kubernetes-worker.usesDatabaseSecret" . -}}
{{- $_ := set $config.database "urlFile" (printf "%s/database-url" (include "kubernetes-worker.secretFolder" .)) -}}
{{- end -}}
{{- if .Values.jobs.migrate.enabled }}{{ $_ := set $config.database "migrate" false }}{{ end -}}
{{- range list $config.status $config.metrics -}}
{{- if not .host }}{{ $_ := set . "host" "0.0.0.0" }}{{ end -}}
{{- end -}}
{{- if not $config.status.auth }}{{ $_ := set $config.status "auth" "token" }}{{ end -}}
{{- if include "kubernetes-worker.usesTokenSecret" . -}}
{{- $_ := set $config.status "tokenFile" (printf "%s/status-token" (include "kubernetes-worker.secretFolder" .)) -}}
{{- end -}}
{{- with include "kubernetes-worker.stepsServiceAccountName" . -}}
{{- if not $config.pods }}{{ $_ := set $config "pods" dict }}{{ end -}}
{{- $_ := set $config.pods "serviceAccountName" . -}}
{{- end -}}
{{- if .Values.store.pvc.enabled -}}
{{- if not $config.stores }}{{ $_ := set $config "stores" dict }}{{ end -}}
{{- if not $config.stores.pvc }}{{ $_ := set $config.stores "pvc" dict }}{{ end -}}
{{- $_ := set $config.stores.pvc "claim" (include "kubernetes-worker.claimName" .) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/* A digest of the keys of the configuration that need a restart. The others apply when the file changes. */}}
{{- define "kubernetes-worker.configChecksum" -}}
{{- $config := include "kubernetes-worker.config" . | fromYaml -}}
{{- range (include "kubernetes-worker.liveKeys" . | fromYamlArray) -}}
{{- $section := get $config .section -}}
{{- if $section -}}
{{- $_ := set $config .section (omit $section .name) -}}
{{- if not (get $config .section) }}{{ $_ := unset $config .section }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $config | sha256sum -}}
{{- end }}

{{/* Returns a text as the value of a label, as the library does: src/kubernetes/pod-spec/labels.ts. */}}
{{- define "kubernetes-worker.labelValue" -}}
{{- $isValid := and (le (len .) 63) (regexMatch "^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$" .) -}}
{{- if and $isValid (not (regexMatch "(^h\\.|\\.h)[0-9a-f]{10}$" .)) -}}
{{- . -}}
{{- else -}}
{{- $hash := sha256sum . | trunc 10 -}}
{{- $clean := regexReplaceAll "^[^A-Za-z0-9]+" (regexReplaceAll "[^A-Za-z0-9_.-]+" . "-") "" -}}
{{- $kept := regexReplaceAll "[^A-Za-z0-9]+$" (trunc 51 $clean) "" -}}
{{- if $kept }}{{ printf "%s.h%s" $kept $hash }}{{ else }}{{ printf "h.%s" $hash }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The labels of the pods that hosts create through the worker. */}}
{{- define "kubernetes-worker.stepLabels" -}}
app.kubernetes.io/managed-by: kubernetes-worker
{{- if not .Values.existingConfigMap }}
kubernetes-worker/worker: {{ include "kubernetes-worker.labelValue" (dig "worker" "name" .Release.Name (default dict .Values.config)) | quote }}
{{- end }}
{{- end }}
