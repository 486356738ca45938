//! The operations of event-streams.json, each read to the end of its stream.

use std::error::Error;
use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition};
use aws_sdk_s3::types::{CsvInput, CsvOutput, ExpressionType, InputSerialization, OutputSerialization};
use aws_sdk_transcribestreaming::primitives::Blob;
use aws_sdk_transcribestreaming::types::error::AudioStreamError;
use aws_sdk_transcribestreaming::types::{
    AudioEvent, AudioStream, LanguageCode, MediaEncoding, TranscriptEvent, TranscriptResultStream,
};
use futures_core::Stream;
use tokio::sync::mpsc::{self, Receiver};

/// How many events came, and how the stream ended.
pub(crate) async fn read(operation: &str, config: &SdkConfig) -> Result<(usize, String), Box<dyn Error>> {
    match operation {
        "ConverseStream" => converse(config).await,
        "SelectObjectContent" => select(config).await,
        "StartStreamTranscription" => transcribe(config).await,
        "SubscribeToShard" => subscribe(config).await,
        _ => Err(format!("no call {operation}").into()),
    }
}

/// Each service has receivers of its own.
macro_rules! drained {
    ($stream:expr) => {{
        let mut events = 0;
        loop {
            match $stream.recv().await {
                Ok(Some(_)) => events += 1,
                Ok(None) => break Ok((events, "end".to_owned())),
                Err(error) => break Ok((events, variant(&error))),
            }
        }
    }};
}

async fn converse(config: &SdkConfig) -> Result<(usize, String), Box<dyn Error>> {
    let bedrock = aws_sdk_bedrockruntime::Client::new(config);
    let mut answer = bedrock.converse_stream().model_id("amazon.nova-lite-v1:0").send().await?;
    drained!(answer.stream)
}

async fn select(config: &SdkConfig) -> Result<(usize, String), Box<dyn Error>> {
    let select = aws_sdk_s3::Client::new(config).select_object_content().bucket("orders").key("1");
    let input = InputSerialization::builder().csv(CsvInput::builder().build()).build();
    let output = OutputSerialization::builder().csv(CsvOutput::builder().build()).build();
    let select = select.expression("SELECT * FROM S3Object").expression_type(ExpressionType::Sql);
    let mut answer = select.input_serialization(input).output_serialization(output).send().await?;
    drained!(answer.payload)
}

async fn subscribe(config: &SdkConfig) -> Result<(usize, String), Box<dyn Error>> {
    let latest = StartingPosition::builder().r#type(ShardIteratorType::Latest).build()?;
    let subscribe = aws_sdk_kinesis::Client::new(config).subscribe_to_shard().starting_position(latest);
    let consumer = "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/c:1";
    match subscribe.consumer_arn(consumer).shard_id("shardId-000000000000").send().await {
        Ok(mut answer) => drained!(answer.event_stream),
        // It waits for the stream's first message.
        Err(error) => Ok((0, variant(&error))),
    }
}

/// Each piece of audio is sent only when what the one before it said has come back.
async fn transcribe(config: &SdkConfig) -> Result<(usize, String), Box<dyn Error>> {
    let (audio, receiver) = mpsc::channel(1);
    audio.send(piece(0)).await?;
    let mut audio = Some(audio);
    let start = aws_sdk_transcribestreaming::Client::new(config).start_stream_transcription();
    let start = start.language_code(LanguageCode::EnUs).media_encoding(MediaEncoding::Pcm).media_sample_rate_hertz(16_000);
    let mut answer = match start.audio_stream(Audio(receiver).into()).send().await {
        Ok(answer) => answer,
        // It waits for the stream's first message.
        Err(error) => return Ok((0, variant(&error))),
    };
    let mut events = 0;
    loop {
        match answer.transcript_result_stream.recv().await {
            Ok(Some(TranscriptResultStream::TranscriptEvent(event))) => {
                assert_eq!(said(&event).as_deref(), Some(&*format!("piece {events}")));
                events += 1;
                match audio.take_if(|_| events == PIECES) {
                    Some(all_sent) => drop(all_sent),
                    None => audio.as_ref().ok_or("more events than audio")?.send(piece(events)).await?,
                }
            }
            Ok(Some(other)) => return Err(format!("{other:?}").into()),
            Ok(None) => return Ok((events, "end".to_owned())),
            Err(error) => return Ok((events, variant(&error))),
        }
    }
}

fn piece(number: usize) -> AudioStream {
    AudioStream::AudioEvent(AudioEvent::builder().audio_chunk(Blob::new(format!("piece {number}"))).build())
}

fn said(event: &TranscriptEvent) -> Option<String> {
    event.transcript()?.results().first()?.result_id().map(str::to_owned)
}

/// Pieces of audio as they come.
struct Audio(Receiver<AudioStream>);

impl Stream for Audio {
    type Item = Result<AudioStream, AudioStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

/// The variant of the error; of a service's, that of its own.
fn variant<E: Debug, R: Debug>(error: &SdkError<E, R>) -> String {
    let debug = match error {
        SdkError::ServiceError(error) => format!("{:?}", error.err()),
        error => format!("{error:?}"),
    };
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

const PIECES: usize = 5;
