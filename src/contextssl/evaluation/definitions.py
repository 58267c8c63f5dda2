"""How to read each number, kept beside it in every results file."""

from __future__ import annotations

DEFINITIONS = {
    "inputs": "every probe, neighbour, rank and variance reads L2-normalised features or embeddings, of unit length, unless normalize is false",
    "published": "the paper's probes: features as the encoder gives them, embeddings and predictions at unit length but for the class; a new "
    "random pair of each training item in each epoch; rotations by an MLP, the rest by a linear map",
    "prediction": "what the told action makes of a view; a factor that is told is the target view's, another the source's",
    "r2_pooled": "1 - residual / total about the one mean of all target entries (published); its floor is that of the best constant",
    "r2": "R² of each dimension, averaged; floor 0",
    "angle_deg": "mean geodesic angle in degrees, q and -q alike; its floor is that of the mean rotation",
    "mean, std": "over contexts; std with n - 1 in the denominator, and without the choice of items",
    "item_std": "standard error of the mean by the choice of the evaluated items: bootstrap over items, all views of an item (rows of a person) "
    "together; heads, neighbours and contexts stay as they are",
    "length": "of the context in tokens, two a pair; at 0 there is no context",
    "bottleneck": "variance of the Gaussian noise on normalised embeddings, as a share of their total variance over the training views in "
    "the same context; probes are trained and tested on noisy embeddings",
    "capacity_nats": "½ Σ log(1 + signal / noise) over principal directions: the most that one noisy embedding tells about everything together; it "
    "says nothing of a single factor",
    "factor_nats": "½ log det(I + C / noise), C the mean covariance of the embedding when that factor alone is drawn anew: the most that one noisy "
    "embedding tells of it, where it is drawn independently of the rest (else: beyond what the rest tells); two embeddings with noise of their own "
    "tell more",
    "auxiliary": "the model's own head; it has no loss where a factor is not told, so how far below the floor it falls there is its own affair",
    "ridge": "penalty chosen on a fifth of the training items, for each factor; then fitted to all of them",
    "knn": "plain mean over the k nearest training views by cosine; those that tie for the last place share it",
    "variance_share": "cross-fitted R² of least squares from a polynomial basis of the factor to the embedding, over all dimensions",
    "sensitivity": "mean squared distance when the factor is drawn anew and the rest kept as it is, over that to another item's view",
    "mrr, hit@k": "rank by cosine among all views of the object; ties, within rounding, count by the mean over their places; identity queries left "
    "out, or counted in …_with_identity; floors are chance",
    "equalized_odds_difference, …": "of a fresh logistic regression's predictions between the values of the factor; the largest gap in true or "
    "false positive rates, in true positive rates, in positive rates",
    "counterfactual_distance": "mean distance that a row moves when the factor's value alone is replaced, over that between two rows",
    "counterfactual_flips": "share of rows whose prediction changes when the factor's value alone is replaced",
    "erased-context, erased-train, erased-train-basis": "features after linear erasure (LEACE) of what the environment does not tell, fitted on a "
    "context's pairs, on all training views, on polynomials of the factors there",
    "context": "how a context was disturbed; none: as drawn",
    "accuracy_bound": "of labels that depend on the context: the best, over all environments, without knowing which is asked",
    "pre": "factor distance of the nearest candidate to the target: 1 - ⟨q, q′⟩² for rotations, mean squared difference else; floor is "
    "chance",
}
