//! What CCM's own objects tell of it.

use clbmigrate_core::snapshot::{CCM_NAME, CcmWorkload};
use serde::Deserialize;

use super::{event::RawObject, object::typed};

/// The variable by which CCM takes pods for backends where a Service does not say (CCM 2.14:
/// `IsENIBackendType`).
const FORCE_BACKEND_ENI: &str = "SERVICE_FORCE_BACKEND_ENI";

#[derive(Deserialize)]
struct Workload {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Deserialize)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    name: Option<String>,
    image: Option<String>,
    env: Option<Vec<Variable>>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: Option<String>,
}

/// The image and the setting of CCM's container: the one of its name, else the first. A workload
/// without containers tells nothing.
pub(super) fn of_workload(raw: &RawObject<'_>) -> CcmWorkload {
    let Ok(Workload { spec }) = typed::<Workload>(raw) else { return CcmWorkload::default() };
    let containers = spec.template.spec.containers;
    let named = containers.iter().find(|container| container.name.as_deref() == Some(CCM_NAME));
    let Some(container) = named.or(containers.first()) else { return CcmWorkload::default() };
    let mut variables = container.env.iter().flatten();
    let force = variables.find(|variable| variable.name == FORCE_BACKEND_ENI);
    CcmWorkload {
        image: container.image.clone().unwrap_or_default(),
        force_backend_eni: force.and_then(|force| force.value.clone()).unwrap_or_default(),
    }
}

/// `Global.serviceBackendType` of the file that ConfigMap `cloud-config` holds, empty where it is
/// not set; `None` where the file is not there, or CCM could not read it. CCM reads YAML, of which
/// JSON is a part (CCM 2.14: `LoadCloudCFG`).
pub(super) fn service_backend_type(raw: &RawObject<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct ConfigMap {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "cloud-config.conf")]
        file: String,
    }
    #[derive(Deserialize)]
    struct CloudConfig {
        #[serde(rename = "Global", alias = "global")]
        global: Option<Global>,
    }
    #[derive(Deserialize)]
    struct Global {
        #[serde(rename = "serviceBackendType", alias = "ServiceBackendType")]
        service_backend_type: Option<String>,
    }
    let text = typed::<ConfigMap>(raw).ok()?.data.file;
    let global = serde_saphyr::from_str::<CloudConfig>(&text).ok()?.global;
    Some(global.and_then(|global| global.service_backend_type).unwrap_or_default())
}
