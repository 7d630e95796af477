{{/* What values.schema.json cannot say: values that must not, or only, go together. */}}
{{- define "reelgate.checks" -}}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" .Release.Name) }}
{{- fail (printf "the release's name, %s: Services are named after it, so it begins with a letter and has no dots" .Release.Name) }}
{{- end }}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled (not .Values.valkey.enabled) (not $policy.redis.to) }}
{{- fail "networkPolicy.redis.to: name the peers that are Redis, e.g. [{ipBlock: {cidr: 10.0.3.7/32}}], or nobody reaches it" }}
{{- end }}
{{- if and $policy.enabled .Values.storage.url (not $policy.storage.to) }}
{{- fail "networkPolicy.storage.to: name the peers that are the bucket's, e.g. [{ipBlock: {cidr: 52.216.0.0/15}}], or nobody reaches it" }}
{{- end }}
{{- if and .Values.storage.url .Values.storage.existingClaim }}
{{- fail "storage: give a url or an existingClaim, not both" }}
{{- end }}
{{- if and (ne .Values.expose.by "none") (hasPrefix "http://127." .Values.publicUrl) }}
{{- fail "publicUrl: say where callers reach the API; the route is for its host" }}
{{- end }}
{{- $host := (urlParse .Values.publicUrl).hostname }}
{{- if and (ne .Values.expose.by "none") (or (regexMatch "[^a-z0-9.-]" $host) (regexMatch "^[0-9.]+$" $host)) }}
{{- fail "publicUrl: the route is for its host, which is a name in lower-case letters and no address" }}
{{- end }}
{{- if and (eq .Values.expose.by "httpRoute") (not .Values.expose.httpRoute.parentRefs) }}
{{- fail "expose.httpRoute.parentRefs: name the Gateway that takes the route" }}
{{- end }}
{{- if and (eq .Values.worker.autoscaling.by "keda") (not .Values.worker.autoscaling.keda.prometheusUrl) }}
{{- fail "worker.autoscaling.keda.prometheusUrl: say where the Prometheus is that scrapes the workers" }}
{{- end }}
{{- range $process := list "api" "worker" }}
{{- with (get $.Values $process).autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "%s.autoscaling: minReplicas is above maxReplicas" $process) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $process := list "api" "worker" }}
{{- $own := list }}
{{- range include "reelgate.env" (dict "root" $ "of" $process) | fromYamlArray }}
{{- $own = append $own .name }}
{{- end }}
{{- range $.Values.extraEnv }}
{{- if has .name $own }}
{{- fail (printf "extraEnv: %s is set by the chart already, from another value or from settings, or stands there twice" .name) }}
{{- end }}
{{- $own = append $own .name }}
{{- end }}
{{- end }}
{{- if and .Values.api.autoscaling.enabled (not (dig "requests" "cpu" "" (.Values.api.resources | default dict))) }}
{{- fail "api.resources.requests.cpu: the API is scaled by its share of that" }}
{{- end }}
{{- end }}
