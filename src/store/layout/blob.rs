//! Blobs of a folder, which all of its repositories share.

use std::fs;
use std::io::{self, Write as _};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt as _};
use tokio::io::AsyncReadExt as _;

use super::{Error, Layout, readable};
use crate::image::manifest::Descriptor;
use crate::image::{Digest, Repository};
use crate::store::transfer::{Content, Stopped};

/// How much of a file is read at once.
const PIECE: usize = 256 * 1024;

impl Layout {
    pub(in super::super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blob(digest).exists()
    }

    pub(in super::super) async fn open_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Content, crate::store::Error> {
        let path = self.blob(&blob.digest);
        let what = format!("the blob {repository}@{}", blob.digest);
        let file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(crate::store::Error::NotFound { what, source: None }),
            Err(source) => return Err(Error::File { verb: "read", path, source }.into()),
        };
        let pieces = stream::try_unfold((file, path), |(mut file, path)| async move {
            let mut piece = BytesMut::with_capacity(PIECE);
            match file.read_buf(&mut piece).await {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some((piece.freeze(), (file, path)))),
                Err(source) => Err(Error::File { verb: "read", path, source }.into()),
            }
        });
        Ok(pieces.boxed())
    }

    /// Stores a blob whose bytes have been checked on their way; under its name only when it is whole.
    pub(in super::super) async fn put_blob(
        &self,
        blob: &Descriptor,
        pieces: impl Stream<Item = Result<Bytes, Stopped>>,
    ) -> Result<(), crate::store::Error> {
        self.establish()?;
        let path = self.blob(&blob.digest);
        let fail = |source| Error::File { verb: "write", path: path.clone(), source };
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(fail)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
        let mut pieces = std::pin::pin!(pieces);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|stopped| fail(io::Error::other(stopped)))?;
            file.write_all(&piece).map_err(fail)?;
        }
        file.as_file().sync_all().and_then(|()| readable(file.as_file())).map_err(fail)?;
        file.persist(&path).map_err(|error| fail(error.error))?;
        Ok(())
    }
}
