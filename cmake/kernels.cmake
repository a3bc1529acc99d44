# CUDA kernels built ahead as PTX, for machines that have NVIDIA's driver but no NVRTC: those that `pons selftest` uses, compiled by an NVRTC
# found here. No GPU is needed. They lie in pons/kernels beside the library, where it looks for them.
option(PONS_CUDA_KERNELS "Build CUDA kernels ahead, for machines without NVRTC (needs an NVRTC here)" OFF)
if(PONS_CUDA_KERNELS AND TARGET tools_pons)
  # A driver takes PTX of its own CUDA or an older one: the oldest found here serves most.
  file(GLOB nvrtc_folders LIST_DIRECTORIES true ${PROJECT_SOURCE_DIR}/build/nvrtc/*)
  find_library(PONS_NVRTC_LIBRARY NAMES libnvrtc.so.11.2 libnvrtc.so.12 libnvrtc.so.13 nvrtc
               HINTS ${nvrtc_folders} ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES lib64 lib
               DOC "Compiles the CUDA kernels that are built ahead")
  if(PONS_NVRTC_LIBRARY)
    set(kernels ${CMAKE_CURRENT_BINARY_DIR}/pons/kernels)
    add_custom_command(OUTPUT ${kernels}.stamp
                       COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/build_kernels.sh $<TARGET_FILE:tools_pons> ${kernels}
                               ${PONS_NVRTC_LIBRARY}
                       COMMAND ${CMAKE_COMMAND} -E touch ${kernels}.stamp
                       DEPENDS tools_pons pons ${PROJECT_SOURCE_DIR}/cmake/build_kernels.sh
                       COMMENT "CUDA kernels, by ${PONS_NVRTC_LIBRARY}" VERBATIM)
    add_custom_target(cuda_kernels ALL DEPENDS ${kernels}.stamp)
    install(DIRECTORY ${kernels}/ DESTINATION ${CMAKE_INSTALL_LIBDIR}/pons/kernels)
  else()
    message(STATUS "PONS_CUDA_KERNELS: no NVRTC was found (PONS_NVRTC_LIBRARY), so no CUDA kernels are built ahead")
  endif()
endif()
