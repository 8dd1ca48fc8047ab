{{/* Written by scripts/chart.ts from src/kubernetes/required-permissions.ts. Do not edit. */}}

{{- define "kubernetes-worker.requiredRules" -}}
- apiGroups: [""]
  resources: ["pods"]
  verbs:
    - create
    - delete
    - get
    - list
    {{- if ne .podObservation "poll" }}
    - watch
    {{- end }}
- apiGroups: [""]
  resources: ["pods/exec"]
  verbs:
    - create
    - get
- apiGroups: [""]
  resources: ["pods/log"]
  verbs:
    - get
- apiGroups: [""]
  resources: ["configmaps"]
  verbs:
    {{- if ne .agentConfigMap "existing" }}
    - create
    {{- end }}
    {{- if ne .agentConfigMap "existing" }}
    - delete
    {{- end }}
    - get
    {{- if ne .agentConfigMap "existing" }}
    - list
    {{- end }}
- apiGroups: [""]
  resources: ["events"]
  verbs:
    - list
- apiGroups: [""]
  resources: ["resourcequotas"]
  verbs:
    - list
{{- end }}

{{- define "kubernetes-worker.hermeticRules" -}}
- apiGroups: ["networking.k8s.io"]
  resources: ["networkpolicies"]
  verbs:
    - create
    - list
{{- end }}

{{- define "kubernetes-worker.preflightRules" -}}
- apiGroups: [""]
  resources: ["secrets"]
  verbs:
    - get
  resourceNames:
    {{- toYaml .names | nindent 4 }}
{{- end }}

{{- define "kubernetes-worker.nodeRules" -}}
- apiGroups: [""]
  resources: ["nodes"]
  verbs:
    - get
    - list
{{- end }}

{{- define "kubernetes-worker.tokenReviewRules" -}}
- apiGroups: ["authentication.k8s.io"]
  resources: ["tokenreviews"]
  verbs:
    - create
- apiGroups: ["authorization.k8s.io"]
  resources: ["subjectaccessreviews"]
  verbs:
    - create
{{- end }}
