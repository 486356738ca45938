//! A future that is seldom ready, beside one that is busy.
//!
//! Whoever waits for several things at once polls all of them whenever one of them wakes the task. A connection does that several times
//! for each request, and what stands beside it (the end of everything, a look at the clock) would be asked each time for nothing. A
//! [`Seldom`] has a waker of its own, and asks its future only when that was woken. It is for what may live in a box: each has one.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only when it was woken itself.
#[derive(Debug)]
pub struct Seldom<F> {
    future: Pin<Box<F>>,
    call: Arc<Call>,
    /// Wakes by `call`.
    waker: Waker,
    /// Whom `call` wakes.
    task: Waker,
}

/// What its future wakes.
#[derive(Debug)]
struct Call {
    /// Whether it was woken since the last poll.
    came: AtomicBool,
    task: Mutex<Waker>,
}

impl<F: Future> Seldom<F> {
    /// `future`, which is first polled when this is.
    pub fn new(future: F) -> Self {
        let call = Arc::new(Call { came: AtomicBool::new(true), task: Mutex::new(Waker::noop().clone()) });
        let waker = Waker::from(Arc::clone(&call));
        Self { future: Box::pin(future), call, waker, task: Waker::noop().clone() }
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !self.task.will_wake(cx.waker()) {
            self.task.clone_from(cx.waker());
            self.call.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
        }
        // The task is known before this look: a call that comes after it wakes the task.
        if !self.call.came.load(Ordering::Acquire) || !self.call.came.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let Self { future, waker, .. } = &mut *self;
        future.as_mut().poll(&mut Context::from_waker(waker))
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.came.store(true, Ordering::Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn its_future_is_polled_once_for_each_call_and_wakes_the_task_that_polled_last() {
        let (polls, kept) = (AtomicUsize::new(0), Mutex::new(None::<Waker>));
        let mut seldom = Seldom::new(std::future::poll_fn(|cx| {
            *kept.lock().unwrap() = Some(cx.waker().clone());
            if polls.fetch_add(1, Ordering::Relaxed) < 2 { Poll::Pending } else { Poll::Ready(7) }
        }));
        let tasks = [Arc::<Counted>::default(), Arc::default()];
        let mut poll = |of: usize| {
            let waker = Waker::from(Arc::clone(&tasks[of]));
            Pin::new(&mut seldom).poll(&mut Context::from_waker(&waker))
        };
        let call = || kept.lock().unwrap().as_ref().unwrap().wake_by_ref();
        let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));

        assert!((0..5).all(|_| poll(0).is_pending()));
        assert_eq!((polls.load(Ordering::Relaxed), woken()), (1, [0, 0]));
        call();
        assert!(poll(0).is_pending() && poll(1).is_pending());
        assert_eq!((polls.load(Ordering::Relaxed), woken()), (2, [1, 0]));
        call();
        assert_eq!((poll(1), woken()), (Poll::Ready(7), [1, 1]));
    }

    #[tokio::test]
    async fn no_call_from_another_thread_is_lost() {
        for _ in 0..200 {
            let (tell, mut told) = tokio::sync::watch::channel(0);
            let waited = tokio::spawn(Seldom::new(async move {
                while *told.borrow_and_update() < 20 {
                    told.changed().await.unwrap();
                }
            }));
            std::thread::spawn(move || {
                (1..=20).for_each(|n| {
                    tell.send_replace(n);
                })
            });
            tokio::time::timeout(std::time::Duration::from_secs(10), waited).await.unwrap().unwrap();
        }
    }
}
