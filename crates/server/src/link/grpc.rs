//! The one gRPC method under every link: `/pangea.Link/Open`, a stream of envelopes each way.
//!
//! Written by hand instead of generated: one method, and its messages are Rust structs already.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes};
use futures_util::future::BoxFuture;
use pangea_world::messages::{self, Envelope, MAX_ENVELOPE_BYTES};
use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

const PATH: &str = "/pangea.Link/Open";

/// Envelopes towards the other side; bounded.
pub type Out = tokio::sync::mpsc::Sender<Result<Sealed, Status>>;
type OutStream = ReceiverStream<Result<Sealed, Status>>;

/// What the answerer does with each new stream; returns at once, the stream lives in a task.
pub type OnStream = Arc<dyn Fn(Out, Streaming<Envelope>) + Send + Sync>;

/// How many envelopes may wait between a link's task and its socket.
const OUT_QUEUE: usize = 256;

/// An [`Envelope`] on its way out. Its body is encoded once, however often it is sent.
#[derive(Debug, Clone, Default)]
pub struct Sealed {
    pub seq: u64,
    pub ack: u64,
    pub body: Bytes,
}

impl Sealed {
    /// A message with its number; unnumbered: 0.
    pub fn new(seq: u64, body: &messages::Body) -> Self {
        let mut bytes = Vec::with_capacity(body.encoded_len());
        body.encode(&mut bytes);
        Self { seq, ack: 0, body: bytes.into() }
    }
}

/// The answering side as a service for tonic's server.
#[derive(Clone)]
pub struct LinkService {
    pub on_stream: OnStream,
}

impl NamedService for LinkService {
    const NAME: &'static str = "pangea.Link";
}

impl tower::Service<http::Request<Body>> for LinkService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method(self.on_stream.clone());
        Box::pin(async move {
            if request.uri().path() != PATH {
                return Ok(Status::unimplemented("there is only /pangea.Link/Open").into_http());
            }
            let mut grpc = Grpc::new(codec()).max_decoding_message_size(MAX_ENVELOPE_BYTES);
            Ok(grpc.streaming(method, request).await)
        })
    }
}

struct Method(OnStream);

impl StreamingService<Envelope> for Method {
    type Response = Sealed;
    type ResponseStream = OutStream;
    type Future = BoxFuture<'static, Result<Response<OutStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Envelope>>) -> Self::Future {
        let (out, stream) = tokio::sync::mpsc::channel(OUT_QUEUE);
        (self.0)(out, request.into_inner());
        Box::pin(async move { Ok(Response::new(ReceiverStream::new(stream))) })
    }
}

/// The opening side, on a channel that is connected.
pub async fn open_stream(channel: tonic::transport::Channel) -> Result<(Out, Streaming<Envelope>), Status> {
    let (out, stream) = tokio::sync::mpsc::channel::<Result<Sealed, Status>>(OUT_QUEUE);
    let outgoing = tokio_stream::StreamExt::filter_map(ReceiverStream::new(stream), Result::ok);
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_ENVELOPE_BYTES);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(PATH);
    let incoming = grpc.streaming(Request::new(outgoing), path, codec()).await?.into_inner();
    Ok((out, incoming))
}

fn codec() -> LinkCodec {
    LinkCodec
}

/// Envelopes come as they are, and go sealed.
struct LinkCodec;

impl Codec for LinkCodec {
    type Encode = Sealed;
    type Decode = Envelope;
    type Encoder = Self;
    type Decoder = <ProstCodec<Envelope, Envelope> as Codec>::Decoder;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<Envelope, Envelope>::default().decoder()
    }
}

impl Encoder for LinkCodec {
    type Item = Sealed;
    type Error = Status;

    fn encode(&mut self, Sealed { seq, ack, body }: Sealed, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let head = Envelope { seq, ack, body: None };
        out.reserve(head.encoded_len() + body.len());
        head.encode_raw(out);
        // The body's field is the last one.
        out.put_slice(&body);
        Ok(())
    }
}
