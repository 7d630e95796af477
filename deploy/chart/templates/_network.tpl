{{/* Rules of NetworkPolicies. Each is nothing where there are no peers, since a rule without peers lets everybody. */}}

{{/* (dict "peers" list "port" 8080) */}}
{{- define "reelgate.from" -}}
{{- if .peers }}
- from:
    {{- toYaml .peers | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ .port }}}
{{- end }}
{{- end }}

{{/* (dict "to" list "ports" list), as such places stand in values */}}
{{- define "reelgate.to" -}}
{{- if .to }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}

{{/* What callers may name although it is not public: an address without a length is one address, as to the processes. */}}
{{- define "reelgate.toAllowed" -}}
{{- with compact (splitList "," (nospace (get (.Values.settings | default dict) "REELGATE_ALLOW_ADDRESSES"))) }}
- to:
    {{- range . }}
    - ipBlock:
        cidr: {{ contains "/" . | ternary . (printf "%s/%s" . (contains ":" . | ternary "128" "32")) | quote }}
    {{- end }}
  ports:
    - {protocol: TCP, port: 1, endPort: 65535}
{{- end }}
{{- end }}

{{/* Pods of this release as peers: (dict "root" $ "of" (list "api" "worker")) */}}
{{- define "reelgate.own" -}}
{{- range .of }}
- podSelector:
    matchLabels:
      {{- include "reelgate.selector" (dict "root" $.root "of" .) | nindent 6 }}
{{- end }}
{{- end }}

{{/* Where API and worker go both: names, Redis, storage. */}}
{{- define "reelgate.toCommon" -}}
{{- with .Values.networkPolicy }}
{{- if .dns }}
- to:
    {{- toYaml .dns | nindent 4 }}
  ports:
    {{- range .dnsPorts | default (list 53) }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- include "reelgate.to" .redis }}
{{- if $.Values.valkey.enabled }}
- to:
    {{- include "reelgate.own" (dict "root" $ "of" (list "valkey")) | nindent 4 }}
  ports:
    - {protocol: TCP, port: 6379}
{{- end }}
{{- if $.Values.storage.url }}
{{- include "reelgate.to" .storage }}
{{- end }}
{{- end }}
{{- end }}
