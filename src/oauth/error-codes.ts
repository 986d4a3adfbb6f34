/** Error codes that a specification defines. They are never redacted, even if they contain a value that was sent. */
export const ERROR_CODES: ReadonlySet<string> = new Set([
  // RFC 6749 §4.1.2.1, §5.2
  "access_denied",
  "invalid_client",
  "invalid_grant",
  "invalid_request",
  "invalid_scope",
  "server_error",
  "temporarily_unavailable",
  "unauthorized_client",
  "unsupported_grant_type",
  "unsupported_response_type",
  // RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 7591 §3.2.2
  "insufficient_scope",
  "invalid_client_metadata",
  "invalid_redirect_uri",
  "invalid_software_statement",
  "invalid_token",
  "unapproved_software_statement",
  "unsupported_token_type",
  // RFC 8628 §3.5
  "authorization_pending",
  "expired_token",
  "slow_down",
  // RFC 8707 §2 (RFC 8693 §2.2.2), RFC 9396 §5, RFC 9449 §5, §8, RFC 9470 §3
  "insufficient_user_authentication",
  "invalid_authorization_details",
  "invalid_dpop_proof",
  "invalid_target",
  "use_dpop_nonce",
  // RFC 9200 §5.8.3
  "incompatible_ace_profiles",
  "unsupported_pop_key",
  // OpenID Connect Core §3.1.2.6, Unmet Authentication Requirements, RFC 9101 §7
  "account_selection_required",
  "consent_required",
  "interaction_required",
  "invalid_request_object",
  "invalid_request_uri",
  "login_required",
  "registration_not_supported",
  "request_not_supported",
  "request_uri_not_supported",
  "unmet_authentication_requirements",
  // CIBA §11, §13
  "expired_login_hint_token",
  "invalid_binding_message",
  "invalid_user_code",
  "missing_user_code",
  "transaction_failed",
  "unknown_user_id",
  // UMA 2.0 §3.3.6
  "need_info",
  "request_denied",
  "request_submitted",
  // Hardproof, for a response without an error code
  "token_request_failed",
]);
