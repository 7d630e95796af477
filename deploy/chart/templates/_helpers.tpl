{{/* What more than one template says. Those with labels take (dict "root" $ "of" "api"). */}}

{{/* Labels that pods are found by. Never change them: a Deployment's selector is for ever. */}}
{{- define "reelgate.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .of }}
{{- end }}

{{- define "reelgate.labels" -}}
{{ include "reelgate.selector" . }}
{{- /* a tag may be longer than a label's value, and end otherwise */}}
app.kubernetes.io/version: {{ include "reelgate.version" .root | trunc 63 | trimAll "-._" | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "-._" }}
{{- end }}

{{/* `helm package --app-version 1.2.0+7`: neither a tag nor a label's value has a plus; Helm's own tags have a low line for it. */}}
{{- define "reelgate.version" -}}
{{ .Values.image.tag | default (.Chart.AppVersion | replace "+" "_") }}
{{- end }}

{{/* The digest stands alone: not every runtime takes a tag beside it. */}}
{{- define "reelgate.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ include "reelgate.version" . }}{{ end }}
{{- end }}

{{/* What every pod has, whatever runs in it: the restricted level of the Pod Security Standards, and where it runs. */}}
{{- define "reelgate.anyPod" -}}
serviceAccountName: {{ .Release.Name | quote }}
automountServiceAccountToken: false
# A Service named reelgate-api would put REELGATE_API_PORT and its kind among the settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- if not .Values.assignedUser }}
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How long a pod may take to go. */}}
{{- define "reelgate.graceSeconds" -}}
{{- if eq .of "api" }}
{{- /* routes, delay and requests, and 10 s to say goodbye */}}
{{- with .root.Values.api.drain }}{{ add .routesSeconds .delaySeconds .requestsSeconds 10 }}{{ end }}
{{- else }}
{{- /* streams, and 30 s to hand the rest over. Nobody calls a worker, so there is no route to wait for before SIGTERM */}}
{{- add .root.Values.worker.drainSeconds 30 }}
{{- end }}
{{- end }}

{{/* After how long without a new pod a rollout counts as stuck: where nodes are full one comes when an old one is gone. */}}
{{- define "reelgate.progressSeconds" -}}
{{ add (include "reelgate.graceSeconds" . | int) 600 }}
{{- end }}

{{/* Where processes listen. `helm upgrade --reuse-values` brings an older chart's values, which have none. */}}
{{- define "reelgate.host" -}}
{{ .Values.listenOn | default "0.0.0.0" | quote }}
{{- end }}

{{/* The same level for a container, with a root that nobody writes to. */}}
{{- define "reelgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What API and worker pods have beside that. */}}
{{- define "reelgate.pod" -}}
{{ include "reelgate.anyPod" .root }}
topologySpreadConstraints:
  {{- range $topology := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $topology }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "reelgate.selector" $ | nindent 8 }}
    # the pods of one version are spread among themselves
    matchLabelKeys: [pod-template-hash]
  {{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- with (get .root.Values .of).secretName }}
  - name: secrets
    secret:
      secretName: {{ . | quote }}
      # readable by the group that is fsGroup
      defaultMode: 0440
  {{- end }}
  {{- if not .root.Values.storage.url }}
  - name: storage
    persistentVolumeClaim:
      claimName: {{ .root.Values.storage.existingClaim | default (printf "%s-storage" .root.Release.Name) | quote }}
  {{- end }}
  {{- with .root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What API and worker containers have in common: image, confinement, settings, volumes. */}}
{{- define "reelgate.container" -}}
image: {{ include "reelgate.image" .root }}
securityContext:
  {{- include "reelgate.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml (get .root.Values .of).resources | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if (get .root.Values .of).secretName }}
  - name: secrets
    mountPath: {{ include "reelgate.secretsDir" . }}
    readOnly: true
  {{- end }}
  {{- if not .root.Values.storage.url }}
  - name: storage
    mountPath: /data
  {{- end }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "reelgate.secretsDir" -}}
/run/secrets/reelgate
{{- end }}

{{/* Settings as environment variables. A number is written by toJson, since a million would else be 1e+06. */}}
{{- define "reelgate.env" -}}
{{- $settings := deepCopy (.root.Values.settings | default dict) }}
{{- $_ := set $settings "REELGATE_PUBLIC_URL" .root.Values.publicUrl }}
{{- $_ := set $settings "REELGATE_STORAGE" (.root.Values.storage.url | default "/data") }}
{{- if (get .root.Values .of).secretName }}
{{- $_ := set $settings "REELGATE_SECRETS_DIR" (include "reelgate.secretsDir" .) }}
{{- end }}
{{- if .root.Values.valkey.enabled }}
{{- $_ := set $settings "REDIS_URL" (printf "redis://%s-valkey:6379/0" .root.Release.Name) }}
{{- end }}
{{- if .root.Values.sandbox.enabled }}
{{- $_ := set $settings "NEMO_API_URL" (printf "http://%s-sandbox:8900" .root.Release.Name) }}
{{- end }}
{{- if eq .of "api" }}
{{- $_ := set $settings "REELGATE_DRAIN_DELAY_S" .root.Values.api.drain.delaySeconds }}
{{- $_ := set $settings "REELGATE_REQUEST_GRACE_S" .root.Values.api.drain.requestsSeconds }}
{{- else }}
{{- $_ := set $settings "REELGATE_DRAIN_S" .root.Values.worker.drainSeconds }}
{{- $_ := set $settings "REELGATE_WORKER_JOBS" .root.Values.worker.slots }}
{{- end }}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
