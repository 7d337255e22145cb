//! ACS3-HMAC-SHA256: a signature over method, path, query, headers and the body's hash.

use ring::{digest, hmac};

use crate::api_error::ApiError;
use crate::random::digits;
use crate::request::Request;

use super::{ClaimedIdentity, Signature, encode, incomplete};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What was signed, and with what result.
pub(super) struct SignedRequest {
    string_to_sign: String,
    canonical: String,
    signature: String,
}

impl SignedRequest {
    /// Whether it was signed with this secret; if not, what should have been signed.
    pub(super) fn verify(&self, secret: &str) -> Result<(), String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mine = digits(hmac::sign(&key, self.string_to_sign.as_bytes()).as_ref());
        if mine.eq_ignore_ascii_case(&self.signature) {
            return Ok(());
        }
        Err(format!("{} of:{}", self.string_to_sign, self.canonical))
    }
}

/// The fields of the header `Authorization`.
struct Authorization {
    credential: String,
    signed_headers: String,
    signature: String,
}

pub(super) fn is_signed(request: &Request) -> bool {
    request.header("authorization").is_some_and(|value| value.trim_start().starts_with("ACS3-"))
}

pub(super) fn claimed_access_key(request: &Request) -> Option<String> {
    authorization(request).ok().map(|authorization| authorization.credential)
}

pub(super) fn claim(request: &Request) -> Result<ClaimedIdentity, ApiError> {
    let Authorization { credential, signed_headers, signature } = authorization(request)?;
    let header = |name: &str| {
        request.header(name).ok_or_else(|| incomplete(format!("The header {name} is missing.")))
    };
    let hash = digits(digest::digest(&digest::SHA256, request.body()).as_ref());
    let claimed_hash = header("x-acs-content-sha256")?;
    if !claimed_hash.eq_ignore_ascii_case(&hash) {
        let message = format!("x-acs-content-sha256 is {claimed_hash}, the body's is {hash}.");
        return Err(ApiError::new(400, "SignatureDoesNotMatch", message));
    }
    let names = signed_headers.split(';').collect::<Vec<_>>();
    if let Some(unsigned) = request
        .header_names()
        .find(|name| (name.starts_with("x-acs-") || *name == "host") && !names.contains(name))
    {
        return Err(incomplete(format!("The header {unsigned} is not among the signed ones.")));
    }
    let canonical = canonical(request, &names, claimed_hash)?;
    let canonical_hash = digits(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    Ok(ClaimedIdentity {
        access_key_id: credential,
        security_token: request.header("x-acs-security-token").map(str::to_owned),
        time: header("x-acs-date")?.to_owned(),
        nonce: header("x-acs-signature-nonce")?.to_owned(),
        signature: Signature::Acs3(SignedRequest {
            string_to_sign: format!("{ALGORITHM}\n{canonical_hash}"),
            canonical,
            signature,
        }),
    })
}

fn canonical(request: &Request, names: &[&str], hash: &str) -> Result<String, ApiError> {
    let mut canonical = format!("{}\n{}\n", request.method(), request.path());
    canonical.push_str(&encode::query(request.query()));
    canonical.push('\n');
    for name in names {
        let value = request
            .header(name)
            .ok_or_else(|| incomplete(format!("The signed header {name:?} is missing.")))?;
        canonical.extend([name, ":", value.trim(), "\n"]);
    }
    canonical.extend(["\n", &names.join(";"), "\n", hash]);
    Ok(canonical)
}

fn authorization(request: &Request) -> Result<Authorization, ApiError> {
    let wrong = || {
        let form = "Credential=…,SignedHeaders=…,Signature=…";
        incomplete(format!("The header Authorization is not {ALGORITHM} {form}."))
    };
    let text = request.header("authorization").ok_or_else(wrong)?.trim();
    let fields = text.strip_prefix(ALGORITHM).ok_or_else(wrong)?.trim();
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) = field.trim().split_once('=').ok_or_else(wrong)?;
        match name {
            "Credential" => credential = Some(value.to_owned()),
            "SignedHeaders" => signed_headers = Some(value.to_lowercase()),
            "Signature" => signature = Some(value.to_owned()),
            _ => return Err(wrong()),
        }
    }
    Ok(Authorization {
        credential: credential.ok_or_else(wrong)?,
        signed_headers: signed_headers.ok_or_else(wrong)?,
        signature: signature.ok_or_else(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    /// The example with fixed parameters of the documentation of signature V3.
    fn documented(query: &str) -> Request {
        let headers = [
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;\
                 x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=\
                 06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
            ),
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            (
                "x-acs-content-sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
        ];
        Request::of_parts(&Method::POST, &format!("/?{query}"), &headers, b"")
    }

    const QUERY: &str =
        "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai";

    fn verify(request: &Request, secret: &str) -> Result<(), String> {
        match claim(request).expect("a claim").signature {
            Signature::Acs3(signed) => signed.verify(secret),
            Signature::HmacSha1(_) => panic!("not ACS3"),
        }
    }

    #[test]
    fn the_documented_example_is_by_its_secret() {
        let request = documented(QUERY);
        assert_eq!(claimed_access_key(&request).as_deref(), Some("YourAccessKeyId"));
        assert_eq!(verify(&request, "YourAccessKeySecret"), Ok(()));
    }

    #[test]
    fn another_query_or_secret_is_found_out() {
        assert!(verify(&documented(QUERY), "another").is_err());
        let told = verify(&documented("ImageId=x"), "YourAccessKeySecret").expect_err("changed");
        assert!(told.contains("x-acs-action:RunInstances"), "{told}");
    }

    #[test]
    fn a_header_that_is_not_signed_is_refused() {
        let request = documented(QUERY).with_header("x-acs-security-token", "token");
        let error = claim(&request).err().expect("refused");
        assert_eq!(error.code, "IncompleteSignature");
        assert!(error.message.contains("x-acs-security-token"), "{error}");
    }

    #[test]
    fn another_body_is_refused() {
        let request = documented(QUERY).with_body(b"x");
        assert_eq!(claim(&request).err().expect("refused").code, "SignatureDoesNotMatch");
    }
}
