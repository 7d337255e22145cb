//! Finding things by their id, with the cloud's answer where there is no such thing.

use std::net::{IpAddr, SocketAddr};

use crate::api_error::ApiError;

use super::{Backend, BackendType, Group, Listener, LoadBalancer, Protocol, State};

impl State {
    pub(crate) fn load_balancer(&self, id: &str) -> Result<&LoadBalancer, ApiError> {
        self.load_balancers.iter().find(|lb| lb.id == id).ok_or_else(no_load_balancer)
    }

    pub(crate) fn load_balancer_mut(&mut self, id: &str) -> Result<&mut LoadBalancer, ApiError> {
        self.load_balancers.iter_mut().find(|lb| lb.id == id).ok_or_else(no_load_balancer)
    }

    /// The CLB that has this group.
    pub(crate) fn load_balancer_of_group(&self, group: &str) -> Result<&LoadBalancer, ApiError> {
        self.load_balancers
            .iter()
            .find(|lb| lb.groups.iter().any(|of_lb| of_lb.id == group))
            .ok_or_else(no_group)
    }

    pub(crate) fn group(&self, id: &str) -> Result<&Group, ApiError> {
        self.load_balancer_of_group(id)?.group(id)
    }

    pub(crate) fn group_mut(&mut self, id: &str) -> Result<&mut Group, ApiError> {
        let mut groups = self.load_balancers.iter_mut().flat_map(|lb| &mut lb.groups);
        groups.find(|group| group.id == id).ok_or_else(no_group)
    }

    /// Where the data plane reaches a backend; nowhere if its instance is not in the table or its
    /// address is none.
    pub(crate) fn address_of(&self, backend: &Backend) -> Option<SocketAddr> {
        let ip: IpAddr = match backend.kind {
            BackendType::Ecs => *self.instances.get(&backend.server_id)?,
            BackendType::Eni | BackendType::Eci => backend.server_ip.parse().ok()?,
        };
        Some(SocketAddr::new(ip, backend.port))
    }
}

impl LoadBalancer {
    pub(crate) fn group(&self, id: &str) -> Result<&Group, ApiError> {
        self.groups.iter().find(|group| group.id == id).ok_or_else(no_group)
    }

    /// The listener of a port, and of a protocol where one is asked for.
    pub(crate) fn listener(
        &self,
        port: u16,
        protocol: Option<Protocol>,
    ) -> Result<&Listener, ApiError> {
        let mut found = self.listeners.iter().filter(|listener| listener.is(port, protocol));
        let listener = found.next().ok_or_else(no_listener)?;
        found.next().map_or(Ok(listener), |_| Err(several_listeners()))
    }

    pub(crate) fn listener_mut(
        &mut self,
        port: u16,
        protocol: Option<Protocol>,
    ) -> Result<&mut Listener, ApiError> {
        let mut found = self.listeners.iter_mut().filter(|listener| listener.is(port, protocol));
        let listener = found.next().ok_or_else(no_listener)?;
        found.next().map_or(Ok(listener), |_| Err(several_listeners()))
    }
}

impl Listener {
    fn is(&self, port: u16, protocol: Option<Protocol>) -> bool {
        self.port == port && protocol.is_none_or(|protocol| protocol == self.protocol)
    }

    /// Whether it takes datagrams. A UDP listener may have the port of another one, what runs over
    /// TCP may not.
    pub(crate) fn is_udp(&self) -> bool {
        self.protocol == Protocol::Udp
    }
}

fn no_load_balancer() -> ApiError {
    ApiError::new(
        404,
        "InvalidLoadBalancerId.NotFound",
        "The specified LoadBalancerId does not exist.",
    )
}

fn no_group() -> ApiError {
    ApiError::invalid("The specified VServerGroupId does not exist.")
}

fn no_listener() -> ApiError {
    ApiError::invalid("The specified resource does not exist.")
}

fn several_listeners() -> ApiError {
    ApiError::new(
        400,
        "TooManyListeners",
        "More than 1 listener is found, please be more specified.",
    )
}
