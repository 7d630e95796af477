-- Pauses: whose jobs are accepted and not begun, until an operator resumes them. Jobs that have started go on.
--
-- asked.any_paused: whether there is a pause at all. It is asked once in a call at most, since hardly ever there is one.

local function is_anybody_paused()
  if asked.any_paused == nil then asked.any_paused = call('EXISTS', key.paused()) == 1 end
  return asked.any_paused
end

local function is_tenant_paused(tenant)
  return is_anybody_paused() and call('HEXISTS', key.paused(), tenant) == 1
end

local function is_everybody_paused()
  return is_tenant_paused(EVERYBODY)
end

local function is_paused(tenant)
  return is_tenant_paused(tenant) or is_everybody_paused()
end
