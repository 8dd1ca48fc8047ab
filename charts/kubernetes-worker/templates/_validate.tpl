{{/*
Contradictions between values. Each sentence names the values and the fix. What one value alone may be is in
values.schema.json.
*/}}
{{- define "kubernetes-worker.validate" -}}
{{- include "kubernetes-worker.validateSecrets" . -}}
{{- include "kubernetes-worker.validateConfig" . -}}
{{- include "kubernetes-worker.validateWorkload" . -}}
{{- include "kubernetes-worker.validateResources" . -}}
{{- include "kubernetes-worker.validateSteps" . -}}
{{- include "kubernetes-worker.validateNetwork" . -}}
{{- end }}

{{- define "kubernetes-worker.validateSecrets" -}}
{{- $auth := include "kubernetes-worker.statusAuth" . -}}
{{- if .Values.existingConfigMap -}}
{{- if .Values.config -}}
{{- fail (printf "existingConfigMap is %s, and config has keys (%s): move them into the config map, or remove existingConfigMap." .Values.existingConfigMap (keys .Values.config | sortAlpha | join ", ")) -}}
{{- end -}}
{{- else -}}
{{- $url := dig "database" "url" "" (default dict .Values.config) -}}
{{- $urlFile := dig "database" "urlFile" "" (default dict .Values.config) -}}
{{- if regexMatch "^[a-z]+://[^/@]*:[^/@]+@" $url -}}
{{- fail "config.database.url has a password, and config is rendered into a ConfigMap: put the URL into a Secret, and set existingSecret to its name." -}}
{{- end -}}
{{- if include "kubernetes-worker.usesDatabaseSecret" . -}}
{{- $own := printf "%s/database-url" (include "kubernetes-worker.secretFolder" .) -}}
{{- if or $url (and $urlFile (ne $urlFile $own)) -}}
{{- fail (printf "config.database.%s has a value, and the URL comes from the key %s of the Secret %s (existingSecret): remove one of them; without the Secret's, secretKeys.databaseUrl is empty." (ternary "url" "urlFile" (ne $url "")) .Values.secretKeys.databaseUrl .Values.existingSecret) -}}
{{- end -}}
{{- else if not (or $url $urlFile) -}}
{{- if .Values.existingSecret -}}
{{- fail (printf "secretKeys.databaseUrl is empty, and so are config.database.url and config.database.urlFile: name the key of the Secret %s with the URL of the database." .Values.existingSecret) -}}
{{- end -}}
{{- fail "existingSecret is empty, and so is config.database.urlFile: create a Secret with the URL of the database, and set existingSecret to its name." -}}
{{- end -}}
{{- $tokenFile := dig "status" "tokenFile" "" (default dict .Values.config) -}}
{{- if include "kubernetes-worker.usesTokenSecret" . -}}
{{- if and $tokenFile (ne $tokenFile (printf "%s/status-token" (include "kubernetes-worker.secretFolder" .))) -}}
{{- fail (printf "config.status.tokenFile is %s, and the token comes from the key %s of the Secret %s (existingSecret): remove config.status.tokenFile, or set secretKeys.statusToken to an empty text." $tokenFile .Values.secretKeys.statusToken .Values.existingSecret) -}}
{{- end -}}
{{- else if and (eq $auth "token") (not $tokenFile) -}}
{{- fail (printf "config.status.auth is token, and %s: name the key of existingSecret with the token of the status API, or set config.status.auth to tokenReview." (ternary "secretKeys.statusToken is empty" "existingSecret is empty" (ne .Values.existingSecret ""))) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The keys of the configuration that other values decide. */}}
{{- define "kubernetes-worker.validateConfig" -}}
{{- $config := default dict .Values.config -}}
{{- $steps := include "kubernetes-worker.stepsNamespace" . -}}
{{- $namespace := dig "worker" "namespace" $steps $config -}}
{{- if ne $namespace $steps -}}
{{- fail (printf "config.worker.namespace is %s, and the namespace of the steps is %s (steps.namespace, or that of the release): set steps.namespace, and remove config.worker.namespace." $namespace $steps) -}}
{{- end -}}
{{- range list "status" "metrics" -}}
{{- $host := dig . "host" "0.0.0.0" $config -}}
{{- if or (hasPrefix "127." $host) (has $host (list "::1" "localhost")) -}}
{{- fail (printf "config.%s.host is %s, and probes and clients connect to the address of the pod: remove config.%s.host." . $host .) -}}
{{- end -}}
{{- if eq (include "kubernetes-worker.configValue" (list $ . "port")) "0" -}}
{{- fail (printf "config.%s.port is 0, and the port of the container has to be known: set another, or remove config.%s.port." . .) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (include "kubernetes-worker.statusAuth" .) "none") (not (dig "status" "allowUnauthenticated" false $config)) -}}
{{- fail "config.status.auth is none, and config.status.allowUnauthenticated is false: set config.status.auth to token or tokenReview, or config.status.allowUnauthenticated to true." -}}
{{- end -}}
{{- $status := include "kubernetes-worker.configValue" (list . "status" "port") -}}
{{- if eq $status (include "kubernetes-worker.configValue" (list . "metrics" "port")) -}}
{{- fail (printf "config.status.port and config.metrics.port are both %s: change one of them." $status) -}}
{{- end -}}
{{- if and .Values.jobs.migrate.enabled (dig "database" "migrate" false $config) -}}
{{- fail "config.database.migrate is true, and jobs.migrate.enabled is true: the job migrates, so remove config.database.migrate." -}}
{{- end -}}
{{- $account := include "kubernetes-worker.stepsServiceAccountName" . -}}
{{- $named := dig "pods" "serviceAccountName" $account $config -}}
{{- if and $account (ne $named $account) -}}
{{- fail (printf "config.pods.serviceAccountName is %s, and steps.serviceAccount is %s: set steps.serviceAccount.name, and remove config.pods.serviceAccountName." $named $account) -}}
{{- end -}}
{{- $claim := dig "stores" "pvc" "claim" "" $config -}}
{{- if .Values.store.pvc.enabled -}}
{{- if and $claim (ne $claim (include "kubernetes-worker.claimName" .)) -}}
{{- fail (printf "config.stores.pvc.claim is %s, and store.pvc has the claim %s: set store.pvc.existingClaim, and remove config.stores.pvc.claim." $claim (include "kubernetes-worker.claimName" .)) -}}
{{- end -}}
{{- else if .Values.store.pvc.existingClaim -}}
{{- fail (printf "store.pvc.existingClaim is %s, and store.pvc.enabled is false: set store.pvc.enabled to true, or remove store.pvc.existingClaim." .Values.store.pvc.existingClaim) -}}
{{- end -}}
{{- end }}

{{- define "kubernetes-worker.validateWorkload" -}}
{{- range $path, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels -}}
{{- range $label := keys $labels | sortAlpha -}}
{{- if or (hasPrefix "app.kubernetes.io/" $label) (hasPrefix "kubernetes-worker/" $label) (eq $label "helm.sh/chart") -}}
{{- fail (printf "%s has %s, which the chart or the worker sets: choose another label." $path $label) -}}
{{- end -}}
{{- if and (eq $path "podLabels") (hasKey $.Values.commonLabels $label) -}}
{{- fail (printf "commonLabels and podLabels both have %s: remove it from one of them." $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $path, $labels := dict "serviceMonitor" .Values.serviceMonitor.labels "prometheusRule" .Values.prometheusRule.labels "dashboards" .Values.dashboards.labels -}}
{{- range $label := keys $labels | sortAlpha -}}
{{- if or (hasPrefix "app.kubernetes.io/" $label) (eq $label "helm.sh/chart") (hasKey $.Values.commonLabels $label) -}}
{{- fail (printf "%s.labels has %s, which the chart or commonLabels sets: choose another label." $path $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.image.tag .Values.image.digest -}}
{{- fail (printf "image.tag is %s, and image.digest is %s: remove one of them." .Values.image.tag .Values.image.digest) -}}
{{- end -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false, and serviceAccount.name is empty: set the name of the account." -}}
{{- end -}}
{{- if and .Values.rollout.enabled .Values.strategy -}}
{{- fail "rollout.enabled is true, and strategy is that of the Deployment: set rollout.strategy instead." -}}
{{- end -}}
{{- if and .Values.rollout.strategy (not .Values.rollout.enabled) -}}
{{- fail "rollout.strategy has a value, and rollout.enabled is false: set rollout.enabled to true, or strategy instead." -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if .enabled -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas is %v, and autoscaling.maxReplicas is %v: the first is at most the second." .minReplicas .maxReplicas) -}}
{{- end -}}
{{- if not (or .targetCPUUtilizationPercentage .metrics) -}}
{{- fail "autoscaling.targetCPUUtilizationPercentage is 0, and autoscaling.metrics is empty: set one of them." -}}
{{- end -}}
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $.Values.resources)) -}}
{{- fail (printf "autoscaling.targetCPUUtilizationPercentage is %v, and resources.requests.cpu is empty: set the request, which the percentage is of." .targetCPUUtilizationPercentage) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq (int .Values.service.ports.http) (int .Values.service.ports.metrics) -}}
{{- fail (printf "service.ports.http and service.ports.metrics are both %v: change one of them." .Values.service.ports.http) -}}
{{- end -}}
{{- if not .Values.existingConfigMap -}}
{{- $grace := include "kubernetes-worker.configValue" (list . "shutdown" "graceMs") | int -}}
{{- $needed := add 15 (div (add $grace 999) 1000) -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is %v, and config.shutdown.graceMs is %v: the first is at least %v, or the second at most %v." .Values.terminationGracePeriodSeconds $grace $needed (max 0 (mul 1000 (sub (int .Values.terminationGracePeriodSeconds) 15)))) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "kubernetes-worker.validateResources" -}}
{{- $memory := dig "limits" "memory" "" .Values.resources -}}
{{- $heap := include "kubernetes-worker.heap" . -}}
{{- if and $heap (lt (int $heap) 64) -}}
{{- fail (printf "resources.limits.memory is %v, of which Node uses %v MiB beside its heap: set at least %vMi." $memory (include "kubernetes-worker.memoryBesideHeap" .) (add 64 (include "kubernetes-worker.memoryBesideHeap" . | int))) -}}
{{- end -}}
{{- with dig "limits" "ephemeral-storage" "" .Values.resources -}}
{{- if gt (include "kubernetes-worker.bytes" $.Values.tmpSizeLimit | int64) (include "kubernetes-worker.bytes" . | int64) -}}
{{- fail (printf "tmpSizeLimit is %v, and resources.limits.ephemeral-storage is %v: the first is at most the second." $.Values.tmpSizeLimit .) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "memory" "ephemeral-storage" -}}
{{- $request := dig "requests" $name "" $.Values.resources -}}
{{- $limit := dig "limits" $name "" $.Values.resources -}}
{{- if and $request $limit -}}
{{- if gt (include "kubernetes-worker.bytes" $request | int64) (include "kubernetes-worker.bytes" $limit | int64) -}}
{{- fail (printf "resources.requests.%s is %v, and resources.limits.%s is %v: the first is at most the second." $name $request $name $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "kubernetes-worker.validateSteps" -}}
{{- $steps := .Values.steps -}}
{{- if and $steps.createNamespace (eq (include "kubernetes-worker.stepsNamespace" .) .Release.Namespace) -}}
{{- fail (printf "steps.createNamespace is true, and the namespace of the steps is that of the release (%s): set steps.namespace to another." .Release.Namespace) -}}
{{- end -}}
{{- $security := dig "pods" "security" "default" (default dict .Values.config) -}}
{{- if and $steps.createNamespace (eq $steps.podSecurity "restricted") (ne $security "restricted") (not .Values.existingConfigMap) -}}
{{- fail (printf "steps.podSecurity is restricted, and config.pods.security is %s: set config.pods.security to restricted, or steps.podSecurity to baseline." $security) -}}
{{- end -}}
{{- with $steps.networkPolicy -}}
{{- if and .egress (ne .mode "allowlist") -}}
{{- fail (printf "steps.networkPolicy.egress has rules, and steps.networkPolicy.mode is %s: set the mode to allowlist, or remove the rules." .mode) -}}
{{- end -}}
{{- if and .ingress (eq .mode "unmanaged") -}}
{{- fail "steps.networkPolicy.ingress has rules, and steps.networkPolicy.mode is unmanaged: set the mode to allowlist or deny-all, or remove the rules." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.prepull.enabled (not .Values.prepull.images) -}}
{{- fail "prepull.enabled is true, and prepull.images is empty: list the images, or set prepull.enabled to false." -}}
{{- end -}}
{{- if and .Values.soak.enabled (gt (int .Values.soak.concurrency) (int .Values.soak.steps)) -}}
{{- fail (printf "soak.concurrency is %v, and soak.steps is %v: the first is at most the second." .Values.soak.concurrency .Values.soak.steps) -}}
{{- end -}}
{{- end }}

{{- define "kubernetes-worker.validateNetwork" -}}
{{- with .Values.networkPolicy -}}
{{- if .enabled -}}
{{- if not .apiServer.to -}}
{{- fail "networkPolicy.enabled is true, and networkPolicy.apiServer.to is empty: list the addresses of kubectl get endpointslices -n default, such as { ipBlock: { cidr: 10.0.0.2/32 } }, or set networkPolicy.enabled to false." -}}
{{- end -}}
{{- if not .database.to -}}
{{- fail "networkPolicy.enabled is true, and networkPolicy.database.to is empty: list the peers of the database, or set networkPolicy.enabled to false." -}}
{{- end -}}
{{- end -}}
{{- if and .enabled $.Values.serviceMonitor.enabled (not .scrapers) -}}
{{- fail "serviceMonitor.enabled is true, and networkPolicy.scrapers is empty: list the peers that scrape, or set networkPolicy.enabled to false." -}}
{{- end -}}
{{- if and .dns.enabled (not .dns.to) -}}
{{- fail "networkPolicy.dns.enabled is true, and networkPolicy.dns.to is empty: list the peers of name resolution, or set networkPolicy.dns.enabled to false." -}}
{{- end -}}
{{- range $path, $peers := dict "networkPolicy.apiServer.to" .apiServer.to "networkPolicy.database.to" .database.to
      "networkPolicy.dns.to" .dns.to "networkPolicy.clients" .clients "networkPolicy.scrapers" .scrapers -}}
{{- include "kubernetes-worker.validatePeers" (dict "path" $path "peers" $peers) -}}
{{- end -}}
{{- include "kubernetes-worker.validateRules" (dict "path" "networkPolicy.extraEgress" "rules" .extraEgress "peers" "to") -}}
{{- end -}}
{{- include "kubernetes-worker.validateRules" (dict "path" "steps.networkPolicy.egress" "rules" .Values.steps.networkPolicy.egress "peers" "to") -}}
{{- include "kubernetes-worker.validateRules" (dict "path" "steps.networkPolicy.ingress" "rules" .Values.steps.networkPolicy.ingress "peers" "from") -}}
{{- end }}

{{/* Refuses rules without peers or ports, which permit everything. Takes a dict with "path", "rules" and "peers", the key of the peers. */}}
{{- define "kubernetes-worker.validateRules" -}}
{{- range $index, $rule := .rules -}}
{{- $path := printf "%s[%d]" $.path $index -}}
{{- $peers := get $rule $.peers | default list -}}
{{- if not $peers -}}
{{- fail (printf "%s has no peers (%s), which permits every address: list them." $path $.peers) -}}
{{- end -}}
{{- if not $rule.ports -}}
{{- fail (printf "%s has no ports, which permits every port: list them." $path) -}}
{{- end -}}
{{- include "kubernetes-worker.validatePeers" (dict "path" (printf "%s.%s" $path $.peers) "peers" $peers) -}}
{{- end -}}
{{- end }}

{{/* Takes a dict with "path" and "peers". */}}
{{- define "kubernetes-worker.validatePeers" -}}
{{- range $index, $peer := .peers -}}
{{- $path := printf "%s[%d]" $.path $index -}}
{{- if not (or (hasKey $peer "ipBlock") (hasKey $peer "podSelector") (hasKey $peer "namespaceSelector")) -}}
{{- fail (printf "%s is empty, which permits every address: set ipBlock, podSelector or namespaceSelector." $path) -}}
{{- end -}}
{{- with $peer.ipBlock -}}
{{- range prepend (default list .except) .cidr -}}
{{- if not (include "kubernetes-worker.isNetwork" .) -}}
{{- fail (printf "%s.ipBlock has %s, which is no network: use a form such as 10.0.0.0/8, 10.1.2.3/32 or fd12:3456:789a::/48." $path .) -}}
{{- end -}}
{{- end -}}
{{- if hasSuffix "/0" .cidr -}}
{{- fail (printf "%s.ipBlock.cidr is %s, which permits every address: list smaller networks." $path .cidr) -}}
{{- end -}}
{{- $isExcepted := false -}}
{{- range .except }}{{ if include "kubernetes-worker.containsMetadata" . }}{{ $isExcepted = true }}{{ end }}{{ end -}}
{{- if and (include "kubernetes-worker.containsMetadata" .cidr) (not $isExcepted) -}}
{{- fail (printf "%s.ipBlock.cidr is %s, which contains the address of the metadata server (169.254.169.254 or fd00:ec2::254): add it to ipBlock.except, or list smaller networks." $path .cidr) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Whether a text is an address, of IPv4 or IPv6, with the length of its prefix. */}}
{{- define "kubernetes-worker.isNetwork" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])" -}}
{{- $ipv4 := printf "^(%s[.]){3}%s/(3[0-2]|[12]?[0-9])$" $octet $octet -}}
{{- if or (regexMatch $ipv4 .) (regexMatch "^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" .) }}true{{ end -}}
{{- end }}

{{/* Whether a network contains the address of the clouds' metadata servers. */}}
{{- define "kubernetes-worker.containsMetadata" -}}
{{- /* fd00:ec2::254 */ -}}
{{- $ipv6 := lower . -}}
{{- if hasPrefix "fd00:ec2::" $ipv6 -}}true
{{- else if regexMatch "^(fc00|fd00)::/([1-9]|1[0-9]|20)$" $ipv6 -}}true
{{- else if regexMatch "^[0-9]+([.][0-9]+){3}/[0-9]+$" . -}}
{{- $parts := splitList "/" . -}}
{{- $address := 0 -}}
{{- range splitList "." (index $parts 0) }}{{ $address = add (mul $address 256) (int64 .) }}{{ end -}}
{{- $size := 1 -}}
{{- range until (int (sub 32 (int (index $parts 1)))) }}{{ $size = mul $size 2 }}{{ end -}}
{{- /* 169.254.169.254 */ -}}
{{- if eq (div $address $size) (div 2852039166 $size) }}true{{ end -}}
{{- end -}}
{{- end }}
