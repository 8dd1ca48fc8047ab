{{/* Written by scripts/chart.ts from src/service/config. Do not edit. */}}

{{- define "kubernetes-worker.configDefaults" -}}
{"worker":{"labelPrefix":"kubernetes-worker","volumeImage":"registry.k8s.io/pause:3.10","agentConfigMap":"create","podObservation":"watch"},"images":{"preflight":"off"},"status":{"port":9393},"metrics":{"port":9394},"shutdown":{"graceMs":45000}}
{{- end }}

{{- define "kubernetes-worker.liveKeys" -}}
[{"section":"logging","name":"level"},{"section":"shutdown","name":"graceMs"}]
{{- end }}
