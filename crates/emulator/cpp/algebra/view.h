// Matrices by their strides. Transposing, and counting from the other end, only change the view.
#pragma once

#include <cstddef>

namespace algebra {

template <class T>
struct View {
    T *data;
    // From a row to the next, and from a column to the next.
    ptrdiff_t down, across;

    T &operator()(ptrdiff_t row, ptrdiff_t column) const { return data[row * down + column * across]; }
    View from(ptrdiff_t row, ptrdiff_t column) const { return {&(*this)(row, column), down, across}; }
    View transposed() const { return {data, across, down}; }
    View reversed_rows(ptrdiff_t rows) const { return {&(*this)(rows - 1, 0), -down, across}; }
    View reversed(ptrdiff_t size) const { return {&(*this)(size - 1, size - 1), -down, -across}; }
    operator View<const T>() const { return {data, down, across}; }
};

template <class T>
View<T> column_major(T *data, ptrdiff_t leading_dimension) {
    return {data, 1, leading_dimension};
}

}  // namespace algebra
