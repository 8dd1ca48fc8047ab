{{/* Ports of a rule by number. Takes a dict with "ports" and "protocol". */}}
{{- define "kubernetes-worker.ports" -}}
{{- range .ports }}
- { protocol: {{ $.protocol }}, port: {{ . }} }
{{- end }}
{{- end }}

{{/* The rule for name resolution. */}}
{{- define "kubernetes-worker.dnsEgress" -}}
{{- with .Values.networkPolicy.dns }}
{{- if .enabled }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- include "kubernetes-worker.ports" (dict "ports" .ports "protocol" "UDP") | trim | nindent 4 }}
    {{- include "kubernetes-worker.ports" (dict "ports" .ports "protocol" "TCP") | trim | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* A rule to peers and ports over TCP. Takes a dict with "to" and "ports". */}}
{{- define "kubernetes-worker.tcpEgress" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- include "kubernetes-worker.ports" (dict "ports" .ports "protocol" "TCP") | trim | nindent 4 }}
{{- end }}

{{/* What the service and its jobs may reach. */}}
{{- define "kubernetes-worker.serviceEgress" -}}
{{- include "kubernetes-worker.dnsEgress" . }}
{{ include "kubernetes-worker.tcpEgress" .Values.networkPolicy.apiServer }}
{{ include "kubernetes-worker.tcpEgress" .Values.networkPolicy.database }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
