//! Blobs on their way from and to one registry.

use http::{StatusCode, header};
use reqwest::Request;
use tokio::sync::watch;
use url::Url;

use super::{Access, Error, Host, Proof, Purpose, ROUNDS};
use crate::http::{Answer, Opened, Refusal};
use crate::image::Repository;
use crate::image::manifest::MAX_BYTES;

impl Host {
    /// Begins to read something large. Any status but 401 is the caller's to judge.
    pub(in super::super) async fn open(&self, request: Request, repository: &Repository) -> Result<Opened, Error> {
        let purpose = Purpose { repository, access: Access::Pull, login: self.logins.of(repository, Access::Pull)? };
        let mut refused: Option<Box<Refusal>> = None;
        for _ in 0..ROUNDS {
            let proof = self.proof(&purpose, refused.as_deref()).await?;
            let Some(mut request) = request.try_clone() else { break };
            authorize(&mut request, &proof);
            match self.peer.open(request).await.map_err(|source| purpose.failed(source))? {
                Opened::Other(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    refused = Some(answer.refusal());
                    self.forget(&proof, &answer, &purpose).await?;
                }
                opened => return Ok(opened),
            }
        }
        match refused {
            Some(refusal) => Err(self.denied(&purpose, refusal)),
            None => Err(self.malformed(&purpose, "the request can't be sent twice".into())),
        }
    }

    /// Sends a body that can be sent only once. A 401 is handed out like any other status; the next token will be another one.
    pub(in super::super) async fn upload(
        &self,
        mut request: Request,
        repository: &Repository,
        sent: watch::Receiver<u64>,
    ) -> Result<Answer, Error> {
        let purpose = Purpose { repository, access: Access::Push, login: self.logins.of(repository, Access::Push)? };
        // What the registry hands out for another host's storage carries its own proof.
        let proof = match request.url().origin() == self.base.origin() {
            true => self.proof(&purpose, None).await?,
            false => Proof::Nothing,
        };
        authorize(&mut request, &proof);
        let answer = self.peer.upload(&self.uploads, request, sent, MAX_BYTES).await.map_err(|source| purpose.failed(source))?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.forget(&proof, &answer, &purpose).await?;
        }
        Ok(answer)
    }

    /// Where an upload goes on (distribution-spec §Pushing blobs): relative or absolute, with a query of its own. A registry behind a proxy
    /// that ends TLS may not know of it and name its own host without: that is no reason to leave TLS.
    pub(in super::super) fn upload_location(&self, answer: &Answer) -> Result<Url, &'static str> {
        let location = answer.header(header::LOCATION).ok_or("it began an upload without telling where")?;
        let mut url = answer.url.join(location).map_err(|_| "the place of the upload is not a URL")?;
        if url.scheme() == "http" && self.base.scheme() == "https" {
            if url.host_str() != self.base.host_str() {
                return Err("the place of the upload has no TLS");
            }
            url.set_scheme("https").map_err(|()| "the place of the upload is not a URL")?;
            if url.port() == Some(80) {
                url.set_port(None).map_err(|()| "the place of the upload is not a URL")?;
            }
        }
        match url.scheme() {
            "https" | "http" => Ok(url),
            _ => Err("the place of the upload is not a web address"),
        }
    }

    async fn forget(&self, proof: &Proof, answer: &Answer, purpose: &Purpose<'_>) -> Result<(), Error> {
        let bearer = self.learn(answer)?;
        match proof {
            Proof::Fixed(_) => Err(self.denied(purpose, answer.refusal())),
            Proof::Pass(pass) => {
                self.tokens.refused(pass, purpose.repository, purpose.access, bearer.and_then(|b| b.error).as_deref()).await;
                Ok(())
            }
            Proof::Nothing => Ok(()),
        }
    }
}

fn authorize(request: &mut Request, proof: &Proof) {
    match proof {
        Proof::Nothing => None,
        Proof::Fixed(value) => request.headers_mut().insert(header::AUTHORIZATION, value.clone()),
        Proof::Pass(pass) => request.headers_mut().insert(header::AUTHORIZATION, pass.value.clone()),
    };
}
