-- Reserve credits for a job on the best token, or on the one that it holds already.
--
-- Arguments: tenant, job, cost, until_ms (a token must not expire before; 0: it may have), needs (scopes), anonymous (whether the
-- installation's own may serve), unread (whether one may whose balance was never read), month, month_before, month_limit
-- (credits; 0: none), only (this token or nothing),
-- kind (of message, by which costs are learned), least (credits that a token must have, by what this job has learned),
-- last_choice (one with fewer credits than the message may cost is taken too, if they are not known to be too few).
-- Results: token_id, secret (as it is stored, for the calls that come next); over_budget; neither: none serves.
operation('take_token', take_token)
