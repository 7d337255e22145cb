//! A client for watches: it bounds how long an answer may take, leaves a server alone that asks for
//! it, and does not start watches that end at once over and over.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::channel::mpsc::UnboundedSender;
use http::{Request, Response};
use kube::{Client, client::Body};
use tokio::time::{Instant, sleep, sleep_until};

use super::store::Told;
use crate::live::{connect::Connection, error::Error};

/// A watch that lasts shorter has ended at once.
const SHORT: Duration = Duration::from_secs(10);

/// The pauses before a watch whose forerunners have ended at once.
const PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);

/// The longest time for which a server is left alone.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Until when the server of a connection wants to be left alone.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Instant>>>);

impl Rest {
    fn extend(&self, by: Duration) {
        let end = Instant::now() + by.min(LONGEST_REST);
        let mut until = locked(&self.0);
        *until = (*until).max(Some(end));
    }

    async fn wait(&self) {
        loop {
            let until = *locked(&self.0);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }
}

/// When the last watch began, and how long the pause before it was.
#[derive(Default)]
struct LastWatch {
    begun: Option<Instant>,
    pause: Duration,
}

#[derive(Clone)]
struct PacedClient {
    connection: Connection,
    rest: Rest,
    last: Arc<Mutex<LastWatch>>,
    tell: UnboundedSender<Told>,
}

/// A client for the lists and watches of one resource. That the server answers, it tells. It has to be
/// made on a runtime.
pub(super) fn client(connection: &Connection, rest: &Rest, tell: &UnboundedSender<Told>) -> Client {
    let namespace = connection.namespace.clone();
    let client = PacedClient {
        connection: connection.clone(),
        rest: rest.clone(),
        last: Arc::default(),
        tell: tell.clone(),
    };
    Client::new(client, namespace)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl tower_service::Service<Request<Body>> for PacedClient {
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}

impl PacedClient {
    async fn carry(self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.split('&').any(|part| part.starts_with("watch="));
        if is_watch {
            self.pause_before_watch().await;
        }
        self.rest.wait().await;
        let answer = self.connection.within_timeout(self.answer(request, is_watch)).await;
        match &answer {
            // Nobody listens where the watch is not wanted any more.
            Ok(_) => drop(self.tell.unbounded_send(Told::Answered)),
            Err(Error { retry_after: Some(rest), .. }) => self.rest.extend(*rest),
            Err(_) => {}
        }
        Ok(answer?)
    }

    /// An answer as soon as a watch has begun; any other when it is whole.
    async fn answer(
        &self,
        mut request: Request<Body>,
        is_watch: bool,
    ) -> Result<Response<Body>, Error> {
        let connection = &self.connection;
        if !is_watch {
            connection.ask_for_gzip(&mut request);
        }
        let response = connection.client.send(request).await;
        let response = response.map_err(|error| connection.translate(&error))?;
        if is_watch && response.status().is_success() {
            return Ok(response);
        }
        let whole = connection.answer(response).await?;
        Ok(Response::new(Body::from(whole.into_bytes(connection)?)))
    }

    /// Waits where the last watch has ended at once, each time longer.
    async fn pause_before_watch(&self) {
        let pause = {
            let mut last = locked(&self.last);
            let is_short = last.begun.is_some_and(|begun| begun.elapsed() < last.pause + SHORT);
            last.pause = if is_short {
                (last.pause * 2).clamp(*PAUSES.start(), *PAUSES.end())
            } else {
                Duration::ZERO
            };
            last.begun = Some(Instant::now());
            last.pause
        };
        sleep(pause).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
