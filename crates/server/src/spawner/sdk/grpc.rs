//! The gRPC side of an SDK endpoint.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use pangea_sdk::GameServer;
use pangea_sdk::agones::beta::sdk_server::{Sdk as Beta, SdkServer as BetaServer};
use pangea_sdk::agones::sdk::sdk_server::{Sdk, SdkServer};
use pangea_sdk::agones::{beta, sdk};
use tonic::{Request, Response, Status, Streaming};

use super::Endpoint;
use super::state::{Reply, Verb};
use crate::net::TcpListener;

/// Serves until the listener fails.
pub async fn serve(endpoint: Endpoint, listener: TcpListener) -> Result<(), tonic::transport::Error> {
    tonic::transport::Server::builder()
        .initial_stream_window_size(65_536)
        .initial_connection_window_size(65_536)
        .add_service(SdkServer::new(endpoint.clone()).max_decoding_message_size(super::MAX_BODY_BYTES))
        .add_service(BetaServer::new(endpoint).max_decoding_message_size(super::MAX_BODY_BYTES))
        .serve_with_incoming(crate::net::incoming(listener))
        .await
}

impl Endpoint {
    async fn done(&self, verb: Verb) -> Result<Response<sdk::Empty>, Status> {
        self.verb(verb).await?;
        Ok(Response::new(sdk::Empty {}))
    }

    pub(super) async fn counter(&self, verb: Verb) -> Result<beta::Counter, Status> {
        match self.verb(verb).await? {
            Reply::Counter(counter) => Ok(counter),
            other => Err(Status::internal(format!("a counter was expected, not {other:?}"))),
        }
    }

    pub(super) async fn list(&self, verb: Verb) -> Result<beta::List, Status> {
        match self.verb(verb).await? {
            Reply::List(list) => Ok(list),
            other => Err(Status::internal(format!("a list was expected, not {other:?}"))),
        }
    }
}

#[tonic::async_trait]
impl Sdk for Endpoint {
    type WatchGameServerStream = BoxStream<'static, Result<GameServer, Status>>;

    async fn ready(&self, _: Request<sdk::Empty>) -> Result<Response<sdk::Empty>, Status> {
        self.done(Verb::Ready).await
    }

    async fn allocate(&self, _: Request<sdk::Empty>) -> Result<Response<sdk::Empty>, Status> {
        self.done(Verb::Allocate).await
    }

    async fn shutdown(&self, _: Request<sdk::Empty>) -> Result<Response<sdk::Empty>, Status> {
        self.done(Verb::Shutdown).await
    }

    async fn health(&self, request: Request<Streaming<sdk::Empty>>) -> Result<Response<sdk::Empty>, Status> {
        let mut beats = request.into_inner();
        while beats.message().await?.is_some() {
            Endpoint::health(self).await?;
        }
        Ok(Response::new(sdk::Empty {}))
    }

    async fn get_game_server(&self, _: Request<sdk::Empty>) -> Result<Response<GameServer>, Status> {
        Ok(Response::new(self.get().await?.as_ref().clone()))
    }

    async fn watch_game_server(
        &self,
        _: Request<sdk::Empty>,
    ) -> Result<Response<Self::WatchGameServerStream>, Status> {
        let states = super::states(self.watch().await?);
        Ok(Response::new(states.map(|server| Ok(server.as_ref().clone())).boxed()))
    }

    async fn set_label(&self, request: Request<sdk::KeyValue>) -> Result<Response<sdk::Empty>, Status> {
        let pair = request.into_inner();
        self.done(Verb::SetLabel(pair.key, pair.value)).await
    }

    async fn set_annotation(&self, request: Request<sdk::KeyValue>) -> Result<Response<sdk::Empty>, Status> {
        let pair = request.into_inner();
        self.done(Verb::SetAnnotation(pair.key, pair.value)).await
    }

    async fn reserve(&self, request: Request<sdk::Duration>) -> Result<Response<sdk::Empty>, Status> {
        self.done(Verb::Reserve(request.into_inner().seconds)).await
    }
}

#[tonic::async_trait]
impl Beta for Endpoint {
    async fn get_counter(
        &self,
        request: Request<beta::GetCounterRequest>,
    ) -> Result<Response<beta::Counter>, Status> {
        Ok(Response::new(self.counter(Verb::GetCounter(request.into_inner().name)).await?))
    }

    async fn update_counter(
        &self,
        request: Request<beta::UpdateCounterRequest>,
    ) -> Result<Response<beta::Counter>, Status> {
        let change = request.into_inner().counter_update_request;
        let change = change.ok_or_else(|| Status::invalid_argument("counterUpdateRequest is missing"))?;
        Ok(Response::new(self.counter(Verb::UpdateCounter(change)).await?))
    }

    async fn get_list(&self, request: Request<beta::GetListRequest>) -> Result<Response<beta::List>, Status> {
        Ok(Response::new(self.list(Verb::GetList(request.into_inner().name)).await?))
    }

    async fn update_list(
        &self,
        request: Request<beta::UpdateListRequest>,
    ) -> Result<Response<beta::List>, Status> {
        let request = request.into_inner();
        let list = request.list.ok_or_else(|| Status::invalid_argument("list is missing"))?;
        let mask = request.update_mask.unwrap_or_default().paths;
        Ok(Response::new(self.list(Verb::UpdateList(list, mask)).await?))
    }

    async fn add_list_value(
        &self,
        request: Request<beta::AddListValueRequest>,
    ) -> Result<Response<beta::List>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.list(Verb::AddListValue(request.name, request.value)).await?))
    }

    async fn remove_list_value(
        &self,
        request: Request<beta::RemoveListValueRequest>,
    ) -> Result<Response<beta::List>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.list(Verb::RemoveListValue(request.name, request.value)).await?))
    }
}
