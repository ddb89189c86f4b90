//! Whether a step back to an older version was asked for.

use super::lifecycle::Ours;
use super::{Downgrade, Downgrades, Entry, Error, Infra};

impl Infra {
    /// A step back is told, or refused when nobody asked for it.
    pub(super) fn allowed(&self, entry: &Entry, back: Option<Downgrade>, notes: &mut Vec<String>) -> Result<Option<Downgrade>, Error> {
        let Some(downgrade) = back else { return Ok(None) };
        let by = match (entry.allow_downgrade, self.settings.downgrades) {
            (true, _) => "`allow-downgrade`",
            (false, Downgrades::Asked) => "the input `version`",
            (false, Downgrades::Refuse) => return Err(Error::Downgrade { place: entry.to_string(), downgrade: Box::new(downgrade) }),
        };
        let Downgrade { what, from, to } = &downgrade;
        notes.push(format!("downgrade: {what} goes from {from} back to {to}, as {by} asks"));
        Ok(Some(downgrade))
    }

    /// A newer release that is proposed already is not taken back by an older one. When that one is no proposal, because the base has it
    /// or gets a commit, the newer proposal stays.
    pub(super) fn not_newer(
        &self,
        entry: &Entry,
        ours: Ours,
        back: Option<Downgrade>,
        is_proposal: bool,
        notes: &mut Vec<String>,
    ) -> Result<(Ours, Option<Downgrade>), Error> {
        let Some(version) = &self.settings.release.version else { return Ok((ours, back)) };
        let Some((pull, from)) = ours.newer_than(version) else { return Ok((ours, back)) };
        let is_asked = entry.allow_downgrade || self.settings.downgrades == Downgrades::Asked;
        if !is_proposal && !is_asked {
            notes.push(format!("{} stays open: it proposes the newer {from}", pull.html_url));
            return Ok((Ours::default(), back));
        }
        let what = format!("the open pull request {}", pull.html_url);
        let told = self.allowed(entry, Some(Downgrade { what, from, to: version.clone() }), notes)?;
        Ok((ours, back.or(told)))
    }
}
