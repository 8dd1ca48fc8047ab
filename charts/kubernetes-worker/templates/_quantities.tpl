{{/* Returns the bytes of a quantity of Kubernetes, such as 512Mi, 1.5Gi, 500M, 1e9 or 536870912. */}}
{{- define "kubernetes-worker.bytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" $text -}}
{{- $suffix := trimPrefix $number $text -}}
{{- $factors := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- if or (eq $number "") (not (hasKey $factors $suffix)) -}}
{{- fail (printf "%s is not a quantity of bytes: use a form such as 512Mi, 1Gi or 500M." $text) -}}
{{- end -}}
{{- mulf (float64 $number) (float64 (get $factors $suffix)) | floor | int64 -}}
{{- end }}

{{/* The memory that Node uses beside its heap, in MiB. */}}
{{- define "kubernetes-worker.memoryBesideHeap" -}}160{{- end }}

{{/* Returns the limit of Node's heap in MiB. Empty without a limit of the memory. */}}
{{- define "kubernetes-worker.heap" -}}
{{- with dig "limits" "memory" "" .Values.resources -}}
{{- $mib := div (include "kubernetes-worker.bytes" . | int64) 1048576 -}}
{{- sub $mib (include "kubernetes-worker.memoryBesideHeap" $ | int64) -}}
{{- end -}}
{{- end }}
