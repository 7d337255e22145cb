//! The signature of RPC style, version 1.0: HMAC-SHA1 over all parameters, wherever they stand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::api_error::ApiError;
use crate::request::Request;

use super::{ClaimedIdentity, Signature, encode, incomplete};

/// What was signed, and with what result.
pub(super) struct SignedRequest {
    string_to_sign: String,
    signature: Vec<u8>,
}

impl SignedRequest {
    /// Whether it was signed with this secret; if not, what should have been signed.
    pub(super) fn verify(&self, secret: &str) -> Result<(), String> {
        let key = format!("{secret}&");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        hmac::verify(&key, self.string_to_sign.as_bytes(), &self.signature)
            .map_err(|_| self.string_to_sign.clone())
    }
}

pub(super) fn claim(request: &Request) -> Result<ClaimedIdentity, ApiError> {
    let params = request.params();
    let required = |name: &str| params.required(name).map(str::to_owned);
    let access_key_id = required("AccessKeyId")?;
    let signature = params
        .optional("Signature")
        .ok_or_else(|| incomplete("The request has no Signature and no Authorization."))?;
    for (name, wanted) in [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")] {
        let value = params.required(name)?;
        if value != wanted {
            let message = format!("The double knows only {name} {wanted}, not {value:?}.");
            return Err(ApiError::invalid(message));
        }
    }
    // What is no base64 is no signature of anything.
    let signature = STANDARD.decode(signature).unwrap_or_default();
    let string_to_sign = string_to_sign(
        request.method(),
        params.into_iter().map(|(name, value)| (name.as_str(), value.as_str())),
    );
    Ok(ClaimedIdentity {
        access_key_id,
        security_token: params.optional("SecurityToken").map(str::to_owned),
        // The oldest documentation spells it with a capital S.
        time: params
            .optional("Timestamp")
            .map_or_else(|| required("TimeStamp"), |time| Ok(time.to_owned()))?,
        nonce: required("SignatureNonce")?,
        signature: Signature::HmacSha1(SignedRequest { string_to_sign, signature }),
    })
}

fn string_to_sign<'a>(
    method: &str,
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let signed = params.into_iter().filter(|(name, _)| *name != "Signature");
    format!("{method}&%2F&{}", encode::percent(&encode::query(signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: [(&str, &str); 8] = [
        ("TimeStamp", "2016-02-23T12:46:24Z"),
        ("Format", "XML"),
        ("AccessKeyId", "testid"),
        ("Action", "DescribeRegions"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
        ("Version", "2014-05-26"),
        ("SignatureVersion", "1.0"),
    ];

    /// The example of the ECS documentation: key `testid`, secret `testsecret`.
    #[test]
    fn the_documented_example_is_by_its_secret() {
        let string_to_sign = string_to_sign("GET", DOCUMENTED);
        assert!(
            string_to_sign.starts_with(
                "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML"
            )
        );
        assert!(string_to_sign.contains("TimeStamp%3D2016-02-23T12%253A46%253A24Z"));
        let signature = STANDARD.decode("CT9X0VtwR86fNWSnsc6v8YGOjuE=").expect("base64");
        let signed = SignedRequest { string_to_sign, signature };
        assert_eq!(signed.verify("testsecret"), Ok(()));
        assert_eq!(signed.verify("testsecres"), Err(signed.string_to_sign.clone()));
    }

    /// The same example in its newer spelling.
    #[test]
    fn the_newer_documented_example_is_by_its_secret() {
        let params = DOCUMENTED
            .map(|(name, value)| (if name == "TimeStamp" { "Timestamp" } else { name }, value));
        let signature = STANDARD.decode("OLeaidS1JvxuMvnyHOwuJ+uX5qY=").expect("base64");
        let signed = SignedRequest { string_to_sign: string_to_sign("GET", params), signature };
        assert_eq!(signed.verify("testsecret"), Ok(()));
    }

    #[test]
    fn the_signature_itself_is_not_signed() {
        let with = DOCUMENTED.into_iter().chain([("Signature", "x")]);
        assert_eq!(string_to_sign("GET", with), string_to_sign("GET", DOCUMENTED));
    }
}
