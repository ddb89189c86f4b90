//! One image on its way: what its tags are put on, and what is left to do.

use super::plan::{Action, Overwrite, Ready, Step, decide, decide_unpushed};
use super::select::Task;
use super::tags::Role;
use crate::image::{Digest, Manifest, Tag};
use crate::store::docker;

/// Its steps change when floats are looked at again, and when a push shows what the image is.
pub(super) struct Work<'a> {
    pub(super) task: &'a Task,
    pub(super) steps: Vec<Step>,
    content: Content<'a>,
    /// The tag that the push of the Docker daemon has written.
    pub(super) pushed: Option<Tag>,
}

enum Content<'a> {
    Known(&'a Manifest),
    Local(&'a docker::Image),
    Pushed(Box<Manifest>),
}

impl<'a> Work<'a> {
    pub(super) fn of(ready: &'a Ready) -> Vec<Self> {
        let known = ready.images.iter().map(|(task, manifest, steps)| (task, Content::Known(manifest), steps));
        let local = ready.unpushed.iter().map(|(task, image, steps)| (task, Content::Local(image), steps));
        let work = |(task, content, steps): (&'a Task, Content<'a>, &Vec<Step>)| Work { task, steps: steps.clone(), content, pushed: None };
        known.chain(local).map(work).collect()
    }

    /// What the tags are put on; none for an image that hasn't been pushed.
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        match &self.content {
            Content::Known(manifest) => Some(manifest),
            Content::Pushed(manifest) => Some(manifest),
            Content::Local(_) => None,
        }
    }

    /// The image that has to be pushed.
    pub(super) fn local(&self) -> Option<&'a docker::Image> {
        match self.content {
            Content::Local(image) => Some(image),
            Content::Known(_) | Content::Pushed(_) => None,
        }
    }

    /// What is left to be written in a wave.
    pub(super) fn pending(&self, wave: &[Role]) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| wave.contains(&step.role) && step.writes() && self.pushed.as_ref() != Some(&step.tag))
    }

    /// Decides once more on a float that names something else by now.
    pub(super) fn decide(&self, role: Role, before: Option<&Digest>) -> Action {
        match self.manifest() {
            Some(manifest) => decide(role, before, manifest.digest(), Overwrite::Refuse),
            None => decide_unpushed(role, before, Overwrite::Refuse),
        }
    }

    /// The daemon has pushed it under a tag: floats may turn out to name it already, which nobody could know.
    pub(super) fn arrived(&mut self, tag: Tag, manifest: Manifest) {
        for step in self.steps.iter_mut().filter(|step| step.writes() && step.before.as_ref() == Some(manifest.digest())) {
            step.action = Action::AlreadyThere;
        }
        self.pushed = Some(tag);
        self.content = Content::Pushed(Box::new(manifest));
    }
}
