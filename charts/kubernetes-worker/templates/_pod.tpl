{{/* The parts of the pods that run the program. */}}

{{- define "kubernetes-worker.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext -}}
{{- if .Values.openshift }}{{ $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}{{ end -}}
{{- toYaml $context -}}
{{- end }}

{{- define "kubernetes-worker.containerSecurityContext" -}}
{{- $context := .Values.containerSecurityContext -}}
{{- if .Values.openshift }}{{ $context = omit $context "runAsUser" "runAsGroup" }}{{ end -}}
{{- toYaml $context -}}
{{- end }}

{{/* The variables of the program. A limit of the heap that the values set replaces that of the chart. */}}
{{- define "kubernetes-worker.env" -}}
{{- $hasOptions := false -}}
{{- range .Values.extraEnv }}{{ if eq .name "NODE_OPTIONS" }}{{ $hasOptions = true }}{{ end }}{{ end -}}
{{- $heap := include "kubernetes-worker.heap" . -}}
{{- if and $heap (not $hasOptions) }}
- name: NODE_OPTIONS
  value: --max-old-space-size={{ $heap }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "kubernetes-worker.volumeMounts" -}}
- name: config
  mountPath: /etc/kubernetes-worker
  readOnly: true
{{- if or (include "kubernetes-worker.usesDatabaseSecret" .) (include "kubernetes-worker.usesTokenSecret" .) }}
- name: secrets
  mountPath: {{ include "kubernetes-worker.secretFolder" . }}
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The token is in the containers that mount it, and expires after an hour. */}}
{{- define "kubernetes-worker.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- define "kubernetes-worker.tokenVolume" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - { key: ca.crt, path: ca.crt }
      - downwardAPI:
          items:
            - path: namespace
              fieldRef: { apiVersion: v1, fieldPath: metadata.namespace }
{{- end }}

{{/* Takes a dict with "root" and "configMap". */}}
{{- define "kubernetes-worker.volumes" -}}
- name: config
  configMap:
    name: {{ .configMap }}
    defaultMode: 0444
{{- $database := include "kubernetes-worker.usesDatabaseSecret" .root }}
{{- $token := include "kubernetes-worker.usesTokenSecret" .root }}
{{- if or $database $token }}
- name: secrets
  secret:
    secretName: {{ .root.Values.existingSecret }}
    defaultMode: 0440
    items:
      {{- if $database }}
      - key: {{ .root.Values.secretKeys.databaseUrl }}
        path: database-url
      {{- end }}
      {{- if $token }}
      - key: {{ .root.Values.secretKeys.statusToken }}
        path: status-token
      {{- end }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.tmpSizeLimit }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The fields that the pods of the service and of its jobs share. */}}
{{- define "kubernetes-worker.placement" -}}
enableServiceLinks: false
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "kubernetes-worker.podSecurityContext" . | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
A container that runs the program once. Takes a dict with "root", "name" and "args".
*/}}
{{- define "kubernetes-worker.container" -}}
- name: {{ .name }}
  image: {{ include "kubernetes-worker.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    {{- toYaml .args | nindent 4 }}
  {{- with include "kubernetes-worker.env" .root | trim }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "kubernetes-worker.containerSecurityContext" .root | nindent 4 }}
  volumeMounts:
    {{- include "kubernetes-worker.volumeMounts" .root | nindent 4 }}
    {{- if .token }}
    {{- include "kubernetes-worker.tokenMount" .root | nindent 4 }}
    {{- end }}
{{- end }}

{{/* The pod of the service, for the one workload that has it. */}}
{{- define "kubernetes-worker.podTemplate" -}}
{{- $labels := dict "root" . "component" "service" -}}
{{- $annotations := dict -}}
{{- if not .Values.existingConfigMap }}{{ $annotations = dict "checksum/config" (include "kubernetes-worker.configChecksum" .) }}{{ end -}}
metadata:
  {{- include "kubernetes-worker.podMetadata" (merge (dict "labels" .Values.podLabels
        "annotations" (merge (dict) .Values.podAnnotations $annotations)) $labels) | nindent 2 }}
spec:
  serviceAccountName: {{ include "kubernetes-worker.serviceAccountName" . }}
  {{- include "kubernetes-worker.placement" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- $spread := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" }}
    {{- $selector := dict "matchLabels" (include "kubernetes-worker.selectorLabels" $labels | fromYaml) }}
    {{- range default (list $spread) .Values.topologySpreadConstraints }}
    {{- toYaml (list (hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $selector) .))) | nindent 4 }}
    {{- end }}
  containers:
    {{- $args := list "serve" "--config" "/etc/kubernetes-worker/config.yaml" }}
    {{- include "kubernetes-worker.container" (dict "root" . "name" "service" "args" $args "token" true) | nindent 4 }}
      ports:
        - name: http
          containerPort: {{ include "kubernetes-worker.configValue" (list . "status" "port") }}
        - name: metrics
          containerPort: {{ include "kubernetes-worker.configValue" (list . "metrics" "port") }}
      {{- range $probe, $path := dict "startup" "/startupz" "readiness" "/readyz" "liveness" "/livez" }}
      {{ $probe }}Probe:
        httpGet: { path: {{ $path }}, port: http }
        {{- with index $.Values.probes $probe }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
  volumes:
    {{- include "kubernetes-worker.volumes" (dict "root" . "configMap" (include "kubernetes-worker.configMapName" .)) | nindent 4 }}
    {{- include "kubernetes-worker.tokenVolume" . | nindent 4 }}
{{- end }}
